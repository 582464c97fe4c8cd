import { randomUUID } from 'node:crypto'
import { eventsAfter, lockCursor, moveCursor } from '#db/events.ts'
import type { EventRow } from '#db/events.ts'
import { isWanted } from '#db/event-types.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { ticketsAmong } from '#db/tickets.ts'
import { activeEndpoints } from '#db/webhooks.ts'
import type { Listener } from '#db/webhooks.ts'
import { matches } from '#desk/ticket-matches.ts'
import { requesterNotices } from './requester-notices.ts'
import { handToRules } from './rule-events.ts'
import { enqueueDeliveries, WEBHOOK_QUEUE } from './webhook-job.ts'

/** Events that one transaction follows. */
const PAGE = 200

/**
 * Writes what the next events of the bound organisation cause, in the transaction in which its cursor moves past them:
 * whatever breaks off in between, each event has one delivery for each endpoint that wants it, and one mail for whoever it tells. Who comes second waits
 * for nothing, and does nothing.
 *
 * @returns the queues in which jobs wait now, and whether there is more to follow
 */
export async function followEvents(tx: CommonQueryMethods, organizationId: string): Promise<{ queues: string[]; more: boolean }> {
  const through = await lockCursor(tx)
  const events = through === null ? [] : await eventsAfter(tx, organizationId, through, PAGE)
  const last = events.at(-1)
  if (!last) return { queues: [], more: false }
  const deliveries = (await wanted(tx, events)).map(({ event, endpoint }) => ({ id: randomUUID(), endpoint_id: endpoint.id, ...messageOf(event) }))
  await enqueueDeliveries(tx, organizationId, deliveries)
  const notices = await requesterNotices(tx, organizationId, events)
  await enqueueJobs(tx, notices)
  await handToRules(tx, events)
  await moveCursor(tx, last.id)
  const queues = [...(deliveries.length > 0 ? [WEBHOOK_QUEUE] : []), ...notices.map((job) => job.queue)]
  return { queues: [...new Set(queues)], more: events.length === PAGE }
}

/**
 * The events that endpoints want, each with each of them. A condition is asked of the ticket as it stands now, a moment
 * after the event; what is about no ticket meets none.
 */
async function wanted(tx: CommonQueryMethods, events: readonly EventRow[]): Promise<{ event: EventRow; endpoint: Listener }[]> {
  const endpoints = await activeEndpoints(tx)
  const pairs = events.flatMap((event) =>
    endpoints
      .filter(({ event_types, from_event_id }) => event.id > from_event_id && isWanted(event.type, event_types))
      .map((endpoint) => ({ event, endpoint })),
  )
  const asked = pairs.flatMap(({ event, endpoint }) => (endpoint.condition && event.ticket_id ? [event.ticket_id] : []))
  const tickets = new Map(asked.length > 0 ? (await ticketsAmong(tx, [...new Set(asked)])).map((ticket) => [ticket.id, ticket]) : [])
  const now = new Date()
  return pairs.filter(({ event, endpoint }) => {
    if (!endpoint.condition) return true
    const ticket = tickets.get(event.ticket_id ?? '')
    return ticket !== undefined && matches(endpoint.condition, ticket, now)
  })
}

/** What receivers get of an event: the same as GET /events says to an admin, under the same id. */
function messageOf({ id, type, at, actor_id, entity_type, entity_id, ticket_id, details }: EventRow) {
  return {
    event_id: id,
    message_id: `evt_${id}`,
    event_type: type,
    happened_at: at,
    payload: { actor_id, entity_type, entity_id, ticket_id, details },
  }
}
