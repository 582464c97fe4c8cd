import type { PeopleOfTicket } from '#db/canned-responses.ts'
import type { TicketRow } from '#db/tickets.ts'

const PLACEHOLDER = /\{\{\s*([\w.-]{1,60})\s*\}\}/g

/** What a placeholder stands for; null where a ticket has no such thing. */
const VALUES: Record<string, (ticket: TicketRow, people: PeopleOfTicket) => string | null> = {
  'ticket.number': ({ number }) => String(number),
  'ticket.subject': ({ subject }) => subject,
  'ticket.status': ({ status }) => status.replaceAll('_', ' '),
  'ticket.priority': ({ priority }) => priority,
  'requester.name': (_ticket, { requester }) => requester,
  'requester.first_name': (_ticket, { requester }) => requester.split(/\s/)[0]!,
  'assignee.name': (_ticket, { assignee }) => assignee,
  'agent.name': (_ticket, { agent }) => agent,
  'service.name': (_ticket, { service }) => service,
  'organization.name': (_ticket, { organization }) => organization,
}
export const PLACEHOLDERS: readonly string[] = Object.keys(VALUES)

/** A text whose placeholders were filled. */
export interface Filled {
  text: string
  /** Names that stand for nothing; they stay in the text as they are. */
  unknown: string[]
  /** Names whose ticket has no such thing; they are left out of the text. */
  empty: string[]
}

/** Fills a text for a ticket, once: what a value holds is never filled in its turn. Pure. */
export function fill(template: string, ticket: TicketRow, people: PeopleOfTicket): Filled {
  const empty = new Set<string>()
  const text = template.replaceAll(PLACEHOLDER, (written, name: string) => {
    if (!Object.hasOwn(VALUES, name)) return written
    const value = VALUES[name]!(ticket, people)
    if (value === null) empty.add(name)
    return value ?? ''
  })
  return { text, unknown: unknownPlaceholders(template), empty: [...empty] }
}

/** The names in a text that stand for nothing. */
export function unknownPlaceholders(template: string): string[] {
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name]) => name!)
  return [...new Set(names.filter((name) => !Object.hasOwn(VALUES, name)))]
}
