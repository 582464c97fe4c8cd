import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const TRIAGE_FIELDS = ['category', 'priority', 'tags', 'assignee'] as const
export type TriageField = (typeof TRIAGE_FIELDS)[number]

/** What a field can be: the name of a service, a priority, the id of a member of staff; tags are several. */
export const fieldValue = z.union([z.string(), z.array(z.string())])
export type FieldValue = z.infer<typeof fieldValue>

export interface NewLabel {
  ticket_id: string
  field: TriageField
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
  field: z.enum(TRIAGE_FIELDS),
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
      from last join tickets ticket on ticket.id = ticket_id order by last.id desc`)
}

/** A key that changes with each label. */
export async function labelsKey(db: CommonQueryMethods): Promise<string> {
  const row = await db.one(sql.type(z.object({ key: z.string() }))`
    select coalesce(max(id), 0)::text as key from ai_labels where organization_id = bound_organization()`)
  return row.key
}
