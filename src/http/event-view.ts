import { z } from 'zod'
import type { EventRow } from '#db/events.ts'
import { DOMAIN_THINGS, thingOf } from '#db/event-types.ts'
import type { Role } from '#db/users.ts'
import type { Identity } from './tokens.ts'

export const eventView = z
  .object({
    id: z.number().describe('Grows in the order in which things happened; the same in the audit, in this stream and in webhooks'),
    type: z.string(),
    at: z.date(),
    actor_id: z.string().nullable().describe('Null where the service itself did it'),
    entity_type: z.string(),
    entity_id: z.string(),
    ticket_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' })
export type EventView = z.infer<typeof eventView>

/** What customers hear of, about tickets that they see. */
const CUSTOMER_TYPES: readonly string[] = [
  'ticket.created',
  'ticket.updated',
  'ticket.assigned',
  'ticket.status_changed',
  'comment.created',
  'attachment.created',
]
/** And what they hear of it. */
const CUSTOMER_DATA = [
  'number',
  'subject',
  'status',
  'priority',
  'tags',
  'service_id',
  'assigned_to',
  'requester_id',
  'description_chars',
  'ticket_id',
] as const

/** What a role hears of beyond the organisation's work; an admin and an operator hear all of what is theirs. */
const KEEPER_THINGS: readonly string[] = [...DOMAIN_THINGS, 'sla_policy', 'sla_calendar', 'job']

/** An event as somebody may see it; null where it is none of theirs. Pure: lists of what a role may hear, never of what it may not. */
export function viewOf(event: EventRow, { user_id, organization_id, role }: Identity): EventView | null {
  if (event.organization_id !== organization_id || !hears(event, role, user_id)) return null
  const isCustomer = role === 'customer_user' || role === 'customer_admin'
  const data = isCustomer ? Object.fromEntries(CUSTOMER_DATA.flatMap((name) => (name in event.details ? [[name, event.details[name]]] : []))) : event.details
  const { id, type, at, actor_id, entity_type, entity_id, ticket_id } = event
  return { id, type, at, actor_id, entity_type, entity_id, ticket_id, data }
}

function hears(event: EventRow, role: Role, userId: string): boolean {
  switch (role) {
    case 'admin':
    case 'operator':
      return true
    case 'manager':
      return KEEPER_THINGS.includes(thingOf(event.type))
    case 'agent':
      return DOMAIN_THINGS.includes(thingOf(event.type))
    case 'customer_admin':
      return isOfCustomers(event) && event.requester_is_customer === true
    case 'customer_user':
      return isOfCustomers(event) && event.requester_id === userId
    default:
      return false
  }
}

/** What is not said to be public is internal: an event that speaks of a comment has to say so. */
function isOfCustomers({ type, details }: EventRow): boolean {
  if (!CUSTOMER_TYPES.includes(type)) return false
  return thingOf(type) === 'ticket' || details['is_internal'] === false
}
