import { insertAudit } from '#db/audit.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { cancelSlaClocks, hasSlaClocks, updateSlaDue } from '#db/sla.ts'
import { readSlaTicket } from '#db/sla-tickets.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import { findTicket, updateTicketFields, updateTicketStatus } from '#db/tickets.ts'
import type { TicketFields, TicketRow } from '#db/tickets.ts'
import { newJob } from '#jobs/job-type.ts'
import { ragIndex } from '#jobs/rag-index.ts'
import { slaCheck } from '#jobs/sla-check.ts'
import { slaPredict } from '#jobs/sla-predict.ts'
import { nextTicket, statusesAfter, ticketEventTo } from '#machines/ticket-step.ts'
import type { TicketState } from '#machines/ticket.ts'
import { minutesToBreach, readTicketClocks } from '#sla/ticket-clocks.ts'
import { refusal } from './refusal.ts'
import { requireActiveService } from './ticket-service.ts'
import { learnFromChange } from './ticket-learning.ts'

/** Who changes a ticket, and in which request; both null where the service does by itself. */
export interface Author {
  organization_id: string
  user_id: string | null
  request_id: string | null
  /** What a job or a clock did, after which rules run. */
  cause?: { event_id: number; action: string }
  /** What decided where nobody did: a rule, or a group's turn. It goes into the audit, and no model learns from it. */
  by?: { rule?: { id: string; name: string }; group?: { id: string; name: string; strategy: string } }
}

/** The ticket after a change, and the queues in which its jobs wait. */
export interface Changed {
  ticket: TicketRow
  queues: string[]
}

/**
 * Moves a locked ticket to a status that its machine allows, in the caller's transaction, with its audit row and jobs.
 *
 * @param assignee who has the ticket from now on; undefined leaves it as it is
 * @throws a refusal with 409 that names the statuses that are allowed
 */
export async function moveTicket(
  tx: DatabaseTransactionConnection,
  author: Author,
  ticket: TicketRow,
  { to, action, assignee = ticket.assigned_to }: { to: TicketState; action: string; assignee?: string | null },
): Promise<Changed> {
  const event = ticketEventTo(ticket.status, to)
  const status = event && nextTicket(ticket.status, event)
  if (!status) throw refuseMove(ticket.status, to)
  // Who moves a ticket to `assigned` and names nobody takes it.
  const assigned_to = status === 'assigned' ? (assignee ?? author.user_id) : assignee
  const moved = await updateTicketStatus(tx, { id: ticket.id, status, assigned_to, moved_by: author.user_id })
  return settle(tx, author, ticket, moved, action)
}

/** Gives a locked ticket that is being worked on to somebody else, or to nobody. */
export async function reassignTicket(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, assignee: string | null): Promise<Changed> {
  if (ticket.assigned_to === assignee) return { ticket, queues: [] }
  const given = await updateTicketStatus(tx, { id: ticket.id, status: ticket.status, assigned_to: assignee, moved_by: author.user_id })
  return settle(tx, author, ticket, given, 'ticket.assign')
}

/** Changes what a locked ticket says. What changes nothing writes nothing. */
export async function editTicket(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, wanted: Partial<TicketFields>): Promise<Changed> {
  const { subject, description, priority, tags, service_id } = { ...ticket, ...wanted }
  const fields = { subject, description, priority, tags, service_id }
  if (Object.keys(differences(ticket, { ...ticket, ...fields, tags: [...tags] })).length === 0) return { ticket, queues: [] }
  if (service_id !== null && service_id !== ticket.service_id) await requireActiveService(tx, service_id)
  return settle(tx, author, ticket, await updateTicketFields(tx, ticket.id, fields), 'ticket.edit')
}

/** The refusal of a move that the machine does not have. */
export function refuseMove(status: TicketState, to: string): Error {
  const allowed = statusesAfter(status)
  const next = allowed.length > 0 ? `It can become: ${allowed.join(', ')}.` : 'It stays so.'
  return refusal(409, `A ticket that is ${status} cannot become ${to}. ${next}`, {
    type: 'urn:atum-desk:problem:move-refused',
    members: { current_status: status, allowed },
  })
}

/** What follows a change: its audit row, the due time, and the jobs that it causes. */
async function settle(tx: DatabaseTransactionConnection, author: Author, before: TicketRow, after: TicketRow, action: string): Promise<Changed> {
  await insertAudit(tx, {
    organization_id: author.organization_id,
    actor_id: author.user_id,
    action,
    entity_type: 'ticket',
    entity_id: after.id,
    details: { ...differences(before, after), ...author.by },
    request_id: author.request_id,
  })
  if (!author.by && author.user_id !== null) await learnFromChange(tx, author.user_id, before, after)
  if (isMoved(before, after)) await replan(tx, after)
  const jobs = (await hasJobEngine(tx)) ? jobsOf(author.organization_id, before, after) : []
  if (jobs.length === 0 && !isMoved(before, after)) return { ticket: after, queues: [] }
  await enqueueJobs(tx, jobs)
  const ticket = await findTicket(tx, { user_id: author.user_id, sees: 'all' }, after.id)
  return { ticket: ticket ?? after, queues: jobs.map((job) => job.queue) }
}

/** Plans the due time anew. Without the tables of the clocks it waits for SLA_CHECK, until the database has them again. */
export async function replan(tx: DatabaseTransactionConnection, { id, status, sla_started_at }: TicketRow): Promise<void> {
  if (sla_started_at === null || !(await hasSlaClocks(tx))) return
  if (status === 'cancelled') return cancelSlaClocks(tx, id)
  const facts = await readSlaTicket(tx, id)
  if (!facts) return
  const now = facts.now.getTime()
  const clocks = readTicketClocks(facts, now)
  const due = clocks.resolution?.due ?? null
  await updateSlaDue(tx, [{ ticket_id: id, due_at: due === null ? null : new Date(due), time_to_breach_minutes: minutesToBreach(clocks, now) }])
}

function jobsOf(organizationId: string, before: TicketRow, after: TicketRow): NewJob[] {
  const ticket_id = after.id
  const runs = isMoved(before, after) && after.sla_started_at !== null && after.status !== 'cancelled'
  return [
    ...(runs ? [newJob(slaCheck, organizationId, { ticket_id }), newJob(slaPredict, organizationId, { ticket_id })] : []),
    ...(isIndexedAnew(before, after) ? [newJob(ragIndex, organizationId, { source_type: 'ticket' as const, source_id: ticket_id })] : []),
  ]
}

const isMoved = (before: TicketRow, after: TicketRow): boolean => before.status !== after.status || before.priority !== after.priority

/** The index holds solved tickets: one that becomes solved or is opened again, and one whose text or links change. */
function isIndexedAnew(before: TicketRow, after: TicketRow): boolean {
  if (isSolved(before.status) !== isSolved(after.status)) return true
  const indexed = ({ subject, description, tags, service_id }: TicketRow): string => JSON.stringify([subject, description, tags, service_id])
  return isSolved(after.status) && indexed(before) !== indexed(after)
}

const isSolved = (status: TicketState): boolean => status === 'resolved' || status === 'closed'

const COMPARED = ['status', 'assigned_to', 'subject', 'priority', 'tags', 'service_id'] as const

/** What changed, from what to what; of a description only its length, which says enough and keeps the audit small. */
export function differences(before: TicketRow, after: TicketRow): Record<string, { from: unknown; to: unknown }> {
  const changed = COMPARED.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
  const named = changed.map((name) => [name, { from: before[name], to: after[name] }] as const)
  const text = { description_chars: { from: before.description.length, to: after.description.length } }
  return { ...Object.fromEntries(named), ...(before.description === after.description ? {} : text) }
}
