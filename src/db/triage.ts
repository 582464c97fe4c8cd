import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import type { Priority } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

interface Candidate {
  label: string
  confidence: number
}

/** Why a label was or was not suggested: the words that spoke for it, what came nearest, how the model does on rows that it had not seen. */
interface FieldExplanation {
  reason?: string
  candidates?: readonly Candidate[]
  /** How sure the best candidate is, where that is less than its share. */
  sure?: number
  words?: readonly { words: string; weight: number }[]
  [more: string]: unknown
}

/** Why a triage is as it is; what does not fit a field stands beside them. */
export interface TriageExplanation {
  category: FieldExplanation
  priority: FieldExplanation
  tags: readonly { value: string; share: number; words?: readonly string[] }[]
  /** Why none of them is suggested. */
  tags_reason?: string
  /** Where it was learned; else it follows from the services. */
  group?: FieldExplanation
  assignee: FieldExplanation | null
  nearest: readonly { ticket_id: string; number: number; subject: string; similarity: number }[]
  [more: string]: unknown
}

/** What TRIAGE_TICKET found. A field without enough evidence is null, and so is its confidence. */
export interface TriageFinding {
  ticket_id: string
  category: string | null
  category_confidence: number | null
  priority: Priority | null
  priority_confidence: number | null
  tags: readonly string[]
  assignee_id: string | null
  confidence: number | null
  explanation: TriageExplanation
  model_id: string
  inputs_hash: Buffer
}

const chosen = z.object({ category: z.string().nullable(), group: z.string().nullable(), tags: z.array(z.string()), assignee: z.string().nullable() })
/** What a ticket has already: there is nothing to suggest. */
export type Chosen = z.infer<typeof chosen>

/** Locks the ticket before what is written of it, as requests do: two that take these locks in another order would wait for each other. */
export async function holdTicket(db: CommonQueryMethods, ticketId: string): Promise<Chosen | null> {
  return db.maybeOne(sql.type(chosen)`
    select service.name as category, agent_groups.name as "group", tags, assigned_to as assignee
      from tickets ticket
      left join services service on service.organization_id = ticket.organization_id and service.id = service_id
      left join agent_groups on agent_groups.organization_id = ticket.organization_id and agent_groups.id = group_id
     where ticket.id = ${ticketId} for no key update of ticket`)
}

/** Writes what triage found into the ticket's one live row; what the sentiment job wrote there stays. */
export async function upsertTriage(db: CommonQueryMethods, found: TriageFinding): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into ticket_ai_triage (organization_id, ticket_id, suggested_category, category_confidence, suggested_priority, priority_confidence,
                                  suggested_tags, suggested_assignee_id, confidence, explanation, model_id, inputs_hash)
    values (bound_organization(), ${found.ticket_id}, ${found.category}, ${found.category_confidence}, ${found.priority}, ${found.priority_confidence},
            ${sql.array(found.tags, 'text')}, ${found.assignee_id}, ${found.confidence}, ${JSON.stringify(found.explanation)}::jsonb,
            ${found.model_id}, ${sql.binary(found.inputs_hash)})
    on conflict (organization_id, ticket_id) where is_live do update
      set suggested_category = excluded.suggested_category, category_confidence = excluded.category_confidence,
          suggested_priority = excluded.suggested_priority, priority_confidence = excluded.priority_confidence,
          suggested_tags = excluded.suggested_tags, suggested_assignee_id = excluded.suggested_assignee_id, confidence = excluded.confidence,
          explanation = ticket_ai_triage.explanation || excluded.explanation,
          model_id = excluded.model_id, inputs_hash = excluded.inputs_hash, updated_at = now()`)
}

export interface SentimentFinding {
  ticket_id: string
  label: 'positive' | 'neutral' | 'negative'
  score: number
  confidence: number
  explanation: unknown
  model_id: string
}

/** Writes the sentiment into the ticket's one live row; what triage wrote there stays. */
export async function upsertSentiment(db: CommonQueryMethods, found: SentimentFinding): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into ticket_ai_triage (organization_id, ticket_id, sentiment_label, sentiment_score, sentiment_confidence, explanation, model_id)
    values (bound_organization(), ${found.ticket_id}, ${found.label}, ${found.score}, ${found.confidence}, ${JSON.stringify(found.explanation)}::jsonb, ${found.model_id})
    on conflict (organization_id, ticket_id) where is_live do update
      set sentiment_label = excluded.sentiment_label, sentiment_score = excluded.sentiment_score, sentiment_confidence = excluded.sentiment_confidence,
          explanation = ticket_ai_triage.explanation || excluded.explanation, updated_at = now()
      -- What an agent said of the mood stays, until the text says something else.
      where not exists (
        select from ai_predictions known
         where known.organization_id = excluded.organization_id and known.ticket_id = excluded.ticket_id and known.field = 'sentiment' and known.is_live and known.state = 'edited')`)
}

/** Has the ticket's triage say what an agent said of its mood; how strong it is, a person did not measure. */
export async function correctSentiment(db: CommonQueryMethods, ticketId: string, label: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ticket_ai_triage set sentiment_label = ${label}, sentiment_score = null, sentiment_confidence = null, updated_at = now()
     where organization_id = bound_organization() and ticket_id = ${ticketId} and is_live`)
}

const escalated = z.object({ from_priority: z.enum(PRIORITIES), to_priority: z.enum(PRIORITIES) })

/**
 * Raises the ticket's priority by one step, once in its life and only while it is open; the audit row goes with it.
 * The triage row's lock makes two attempts take turns.
 *
 * @returns the step, or null where there was none to take
 */
export async function escalateForSentiment(
  db: CommonQueryMethods,
  ticketId: string,
  why: { score: number; confidence: number; threshold: number; job_id: number },
): Promise<z.infer<typeof escalated> | null> {
  return db.maybeOne(sql.type(escalated)`
    with due as (
      update ticket_ai_triage set escalated_at = now()
       where organization_id = bound_organization() and ticket_id = ${ticketId} and is_live and escalated_at is null returning ticket_id
    ), before as (
      select id, priority from tickets join due on due.ticket_id = tickets.id
       where organization_id = bound_organization() and status not in ('resolved', 'closed', 'cancelled') and priority < 'urgent' for update of tickets
    ), raised as (
      update tickets
         set priority = (enum_range(before.priority, null))[2], version = version + 1, updated_at = now()
        from before where organization_id = bound_organization() and tickets.id = before.id
      returning tickets.id, tickets.organization_id, before.priority as from_priority, tickets.priority as to_priority
    ), audited as (
      insert into audit_log (organization_id, action, entity_type, entity_id, details)
      select organization_id, 'ticket.auto_escalate', 'ticket', id::text,
             ${JSON.stringify(why)}::jsonb || jsonb_build_object('from_priority', from_priority, 'to_priority', to_priority)
        from raised
    )
    select from_priority, to_priority from raised`)
}

const stood = z.object({ category: z.string().nullable(), priority: z.enum(PRIORITIES), tags: z.array(z.string()), assignee: z.string().nullable() })
/** What a ticket's fields were before triage wrote to them. */
export type FieldsBefore = z.infer<typeof stood>

/**
 * Writes to the ticket what the organisation lets triage decide alone, only while it is new, and only where nobody has
 * chosen yet. The audit row goes with it.
 *
 * @returns what stood there before, or null where nothing was written
 */
export async function applyTriage(
  db: CommonQueryMethods,
  ticketId: string,
  fields: { category: string | null; priority: Priority | null; tags: readonly string[]; assignee: string | null },
): Promise<FieldsBefore | null> {
  return db.maybeOne(sql.type(stood)`
    with before as (
      select ticket.id, ticket.service_id as old_service, ticket.priority as old_priority, ticket.tags as old_tags, ticket.assigned_to as old_assignee,
             coalesce(ticket.service_id, (
               select service.id from services service
                where service.organization_id = ticket.organization_id and service.name = ${fields.category} and service.is_active)) as service_id,
             coalesce(${fields.priority}::ticket_priority, ticket.priority) as priority,
             case when ticket.tags = '{}' then ${sql.array(fields.tags, 'text')} else ticket.tags end as tags,
             coalesce(ticket.assigned_to, ${fields.assignee}::uuid) as assigned_to
        from tickets ticket where ticket.organization_id = bound_organization() and ticket.id = ${ticketId} and ticket.status = 'new' for update of ticket
    ), applied as (
      update tickets ticket
         set service_id = before.service_id, priority = before.priority, tags = before.tags, assigned_to = before.assigned_to,
             version = version + 1, updated_at = now()
        from before
       where ticket.organization_id = bound_organization() and ticket.id = before.id
         and (ticket.service_id, ticket.priority, ticket.tags, ticket.assigned_to)
             is distinct from (before.service_id, before.priority, before.tags, before.assigned_to)
      returning ticket.id, ticket.organization_id, old_service, old_priority, old_tags, old_assignee
    ), audited as (
      insert into audit_log (organization_id, action, entity_type, entity_id, details)
      select organization_id, 'ticket.triage_apply', 'ticket', id::text, ${JSON.stringify(fields)}::jsonb from applied
    )
    select (select name from services where services.organization_id = applied.organization_id and services.id = old_service) as category, old_priority as priority, old_tags as tags, old_assignee as assignee from applied`)
}

/** Notes once that a ticket's text speaks to a machine: in the audit, and on its live triage. */
export async function noteOrders(db: CommonQueryMethods, ticketId: string, orders: readonly { kind: string; words: string }[]): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into audit_log (organization_id, action, entity_type, entity_id, details)
    select bound_organization(), 'ticket.orders_found', 'ticket', ${ticketId}::text, ${JSON.stringify({ orders })}::jsonb
     where not exists (
       select from audit_log where organization_id = bound_organization() and entity_type = 'ticket' and entity_id = ${ticketId}::text and action = 'ticket.orders_found')`)
}
