import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Something that can be done now: by its key, from the palette, or not at all elsewhere. */
export interface Command {
  id: string
  name: string
  /** One key, or two one after another: "g l". */
  keys?: string
  run: () => void
}

const offers = new Map<symbol, readonly Command[]>()
const listeners = new Set<() => void>()
const SECOND_KEY_MS = 1_200

/** Offers commands for as long as the component is drawn. */
export function useCommands(commands: readonly Command[]): void {
  const latest = useRef(commands)
  latest.current = commands
  useLayoutEffect(() => {
    const mine = Symbol('commands')
    // What is run is what the component last said, not what it said when its commands were offered.
    offers.set(
      mine,
      commands.map((command) => ({ ...command, run: () => latest.current.find(({ id }) => id === command.id)?.run() })),
    )
    tell()
    return () => {
      offers.delete(mine)
      tell()
    }
  }, [commands.map(({ id, name }) => `${id} ${name}`).join()])
}

/** Everything that can be done now. */
export function useOffered(): Command[] {
  const [, draw] = useState(0)
  useLayoutEffect(() => {
    const listener = () => draw((count) => count + 1)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }, [])
  return offered()
}

const offered = (): Command[] => [...offers.values()].flat()

/** Runs the command whose key is pressed, unless somebody is writing. */
export function followKeys(): () => void {
  let before = ''
  let pressedAt = 0
  const press = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || document.querySelector('dialog[open]')) return
    // When the keys were pressed, not when the page came to hear of them: a busy page forgets none.
    const keys = before && event.timeStamp - pressedAt < SECOND_KEY_MS ? `${before} ${event.key}` : event.key
    const command = offered().find((each) => each.keys === keys) ?? offered().find((each) => each.keys === event.key)
    before = ''
    if (command) {
      event.preventDefault()
      command.run()
    } else if (offered().some((each) => each.keys?.startsWith(`${event.key} `))) {
      before = event.key
      pressedAt = event.timeStamp
    }
  }
  addEventListener('keydown', press)
  return () => removeEventListener('keydown', press)
}

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement

function tell(): void {
  for (const listener of listeners) listener()
}
