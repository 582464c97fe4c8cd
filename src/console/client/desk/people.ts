import { useEffect, useState } from 'preact/hooks'
import { read, Unreachable } from '../api.ts'
import { onConnectionChange } from '../connection.ts'
import type { Page } from '../shapes.ts'
import type { Person, Service } from './shapes.ts'

const PAGE = 200
/** Pages of users that are read at most; whoever is beyond them is asked for by id. */
const PAGES_MAX = 5
export const STAFF: ReadonlySet<string> = new Set(['agent', 'manager', 'admin'])

/** Names for ids. Read once a visit, and again where an id is not among them. */
export interface Directory {
  person: (id: string) => Person | undefined
  staff: Person[]
  services: Service[]
}

const people = new Map<string, Person>()
const asked = new Set<string>()
let services: Service[] = []
const listeners = new Set<() => void>()
let loading: Promise<void> | null = null

export function useDirectory(): Directory {
  const [, draw] = useState(0)
  useEffect(() => {
    const listener = () => draw((count) => count + 1)
    listeners.add(listener)
    loading ??= load()
    // It could not be read while the API was away: it is read as soon as that is back.
    const ignoreConnection = onConnectionChange(({ up }) => {
      if (up) loading ??= load()
    })
    return () => {
      listeners.delete(listener)
      ignoreConnection()
    }
  }, [])
  return {
    person: (id) => {
      if (!people.has(id)) void lookUp(id)
      return people.get(id)
    },
    staff: [...people.values()].filter(({ role, is_active }) => STAFF.has(role) && is_active).sort((a, b) => a.full_name.localeCompare(b.full_name)),
    services,
  }
}

/** Another person signs in: what the last one could see is forgotten. */
export function forgetDirectory(): void {
  people.clear()
  asked.clear()
  services = []
  loading = null
}

async function load(): Promise<void> {
  const signal = new AbortController().signal
  try {
    let cursor: string | null | undefined
    for (let page = 0; page < PAGES_MAX && cursor !== null; page += 1) {
      const answer: Page<Person> = await read(`/users?${new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : {}) })}`, signal)
      for (const person of answer.items) people.set(person.id, person)
      cursor = answer.next_cursor ?? null
    }
    services = (await read<Page<Service>>(`/services?limit=${PAGE}`, signal)).items
  } catch (error) {
    console.warn('the directory could not be read', error)
    loading = null
  }
  tell()
}

async function lookUp(id: string): Promise<void> {
  if (asked.has(id) || loading === null) return
  asked.add(id)
  await loading
  if (people.has(id)) return
  try {
    people.set(id, await read<Person>(`/users/${id}`, new AbortController().signal))
    tell()
  } catch (error) {
    if (error instanceof Unreachable) asked.delete(id)
    console.warn('a name could not be read', error)
  }
}

function tell(): void {
  for (const listener of listeners) listener()
}
