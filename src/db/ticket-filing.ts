import type { FragmentSqlToken } from 'slonik'
import { z } from 'zod'
import { countEnqueued, wakeMessage } from './job-enqueue.ts'
import type { NewJob, WakeAtCommit } from './job-enqueue.ts'
import type { Priority } from './job-inputs.ts'
import { openEnqueue } from './job-traces.ts'
import { plainJobs, told } from './plain-jobs.ts'
import { prepared, sql } from './sql.ts'
import { ticketColumns, ticketRow } from './tickets.ts'
import type { TicketRow } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface NewTicket {
  /** What is written before the ticket may speak of it. */
  id: string
  subject: string
  description: string
  priority: Priority | null
  service_id: string | null
  tags: readonly string[]
  requester_id: string
}

interface TicketAuthor {
  user_id: string | null
  request_id: string | null
}

/** Writes a ticket of the bound organisation under its next number, and its audit row. Without a priority it has its service's, or medium. */
export async function insertTicket(db: CommonQueryMethods, ticket: NewTicket, author: TicketAuthor): Promise<TicketRow> {
  return db.one(
    prepared('insert-ticket', sql.type(ticketRow)`with ${numberedTicket(ticket, author, sql.fragment``)} select ${ticketColumns} from inserted ticket`),
  )
}

/** A plain job that a ticket causes, but where the organisation has switched off what it is for. */
export interface TicketJob extends NewJob {
  needs: 'ai_triage_enabled' | 'kb_suggestion_enabled' | null
}

/** A ticket, and which of its jobs were enqueued, counted from 1. Made once: a schema is compiled when it first reads a row. */
const ticketAndPlaces = ticketRow.extend({ places: z.string().nullable() })

/**
 * The same together with the jobs that it causes, in one statement: each further one would cost half of what the jobs do.
 *
 * @returns the jobs that the organisation wants, which are enqueued
 */
export async function insertTicketAndJobs(
  db: CommonQueryMethods,
  ticket: NewTicket,
  author: TicketAuthor,
  jobs: readonly TicketJob[],
  wake?: WakeAtCommit,
): Promise<{ ticket: TicketRow; enqueued: TicketJob[] }> {
  const happening = openEnqueue(jobs)
  // Not even a row for an organisation that never changed a setting: it wants all.
  const wanted = sql.fragment`
    where case (${sql.array(
      jobs.map(({ needs }) => needs),
      'text',
    )})[ordinal]
            when 'ai_triage_enabled' then (select ai_triage_enabled from settings)
            when 'kb_suggestion_enabled' then (select kb_suggestion_enabled from settings)
          end is not false`
  // All jobs are written before the lock is asked for.
  const afterJobs = sql.fragment`
    from (select 1 from queued union all select 1 from ready union all select 1 from logged) as written having count(*) >= 0`
  let enqueued: TicketJob[] = []
  try {
    const { places, ...row } = await db.one(
      prepared(
        'insert-ticket-and-jobs',
        sql.type(ticketAndPlaces)`
    with settings as materialized (
      select ai_triage_enabled, kb_suggestion_enabled from org_settings where organization_id = bound_organization()
    ), ${plainJobs(jobs, happening?.traceparent ?? null, wanted)}, ${numberedTicket(ticket, author, afterJobs)}
    select ${ticketColumns}, (select string_agg(ordinal::text, ',') from job) as places, ${told(wakeMessage(jobs, wake))} from inserted ticket`,
      ),
    )
    enqueued = (places?.split(',') ?? []).map((place) => jobs[Number(place) - 1]!)
    countEnqueued(db, enqueued)
    return { ticket: row, enqueued }
  } finally {
    happening?.end({ 'messaging.batch.message_count': enqueued.length })
  }
}

/**
 * The parts of a statement that write a ticket. The number is locked until the transaction ends, and every other filing of the organisation
 * waits for it: nothing that can come before comes after.
 *
 * @param before what is done before the lock is asked for, as the end of the statement that asks
 */
const numberedTicket = (ticket: NewTicket, author: TicketAuthor, before: FragmentSqlToken) => sql.fragment`
    numbered as (
      update organizations set last_ticket_number = last_ticket_number + 1
       where id = bound_organization() and (select pg_advisory_xact_lock(hashtextextended('number:' || bound_organization(), 0)) ${before}) is not null
      returning id, last_ticket_number
    ), inserted as (
      insert into tickets (id, organization_id, number, subject, description, priority, service_id, tags, requester_id)
      select ${ticket.id}::uuid, numbered.id, last_ticket_number, ${ticket.subject}, ${ticket.description},
             coalesce(${ticket.priority}::ticket_priority, (select default_priority from services where organization_id = bound_organization() and id = ${ticket.service_id}), 'medium'),
             ${ticket.service_id}::uuid, ${sql.array(ticket.tags, 'text')}, ${ticket.requester_id}::uuid
        from numbered
      returning *
    ), audited as (
      insert into audit_log (organization_id, actor_id, action, entity_type, entity_id, details, request_id)
      select organization_id, ${author.user_id}::uuid, 'ticket.create', 'ticket', id::text,
             jsonb_build_object('number', number, 'subject', subject, 'status', status, 'priority', priority, 'service_id', service_id, 'tags', tags,
                                'requester_id', requester_id), ${author.request_id}::text
        from inserted
    )`
