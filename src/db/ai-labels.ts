import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const TRIAGE_FIELDS = ['category', 'priority', 'tags', 'group', 'assignee'] as const
export type TriageField = (typeof TRIAGE_FIELDS)[number]

/** What agents can say of a ticket, for a model to learn from. */
const LABEL_FIELDS = [...TRIAGE_FIELDS, 'sentiment'] as const
export type LabelField = (typeof LABEL_FIELDS)[number]

/** What a field can be: the name of a service or group, a priority, a mood, the id of a member of staff; tags are several. */
export const fieldValue = z.union([z.string(), z.array(z.string())])
export type FieldValue = z.infer<typeof fieldValue>

export interface NewLabel {
  ticket_id: string
  field: LabelField
  value: FieldValue
  /** False: the agent said that this is not the value, and did not say what is. */
  is_right: boolean
  source: 'accept' | 'edit' | 'reject' | 'change'
  user_id: string
  prediction_id: string | null
}

/** Keeps what an agent said of a ticket, for the models to learn from. */
export async function insertLabel(db: CommonQueryMethods, label: NewLabel): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into ai_labels (organization_id, ticket_id, field, value, is_right, source, user_id, prediction_id)
    values (bound_organization(), ${label.ticket_id}, ${label.field}, ${JSON.stringify(label.value)}::jsonb, ${label.is_right}, ${label.source},
            ${label.user_id}, ${label.prediction_id})`)
}

const labelRow = z.object({
  ticket_id: z.string(),
  number: z.number(),
  text: z.string(),
  field: z.enum(LABEL_FIELDS),
  value: fieldValue,
  is_right: z.boolean(),
})
/** A label with the text that it is about. */
export type LabelRow = z.infer<typeof labelRow>

/** The newest labels of the bound organisation, of each ticket and field the last one. */
export async function newestLabels(db: CommonQueryMethods, limit: number): Promise<readonly LabelRow[]> {
  return db.any(sql.type(labelRow)`
    with newest as (
      select * from ai_labels where organization_id = bound_organization() order by id desc limit ${limit}
    ), last as (
      select distinct on (ticket_id, field) * from newest order by ticket_id, field, id desc
    )
    select ticket_id, number, subject || E'\n' || left(ticket.description, 6000) as text, field, value, is_right
      from last join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = ticket_id order by last.id desc`)
}

/** A key that changes with each label. */
export async function labelsKey(db: CommonQueryMethods): Promise<string> {
  const row = await db.one(sql.type(z.object({ key: z.string() }))`
    select coalesce(max(id), 0)::text as key from ai_labels where organization_id = bound_organization()`)
  return row.key
}

const mood = z.object({ text: z.string(), mood: z.enum(['positive', 'neutral', 'negative']), at: z.date() })
export type MoodLabel = z.infer<typeof mood>

/** What agents said of the moods of tickets, of each ticket the last word, the newest first. */
export async function moodLabels(db: CommonQueryMethods, limit: number): Promise<readonly MoodLabel[]> {
  return db.any(sql.type(mood)`
    with last as (
      select distinct on (ticket_id) ticket_id, value, is_right, id, at from ai_labels
       where organization_id = bound_organization() and field = 'sentiment' order by ticket_id, id desc
    )
    select subject || E'\n' || left(ticket.description, 6000) as text, last.value #>> '{}' as mood, last.at
      from last join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = ticket_id where is_right order by last.id desc limit ${limit}`)
}
