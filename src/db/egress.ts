import { createHash } from 'node:crypto'
import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface Egress {
  ticket_id: string | null
  job_id: number | null
  purpose: 'smart_reply' | 'embedding'
  endpoint: string
  model: string
  /** As it leaves. */
  text: string
  redactions: Readonly<Record<string, number>>
}

/** Notes a text that is about to leave. Committed before it does, so that nothing leaves unnoted. */
export async function insertEgress(db: CommonQueryMethods, egress: Egress): Promise<number> {
  return db.oneFirst(sql.type(z.object({ id: z.number() }))`
    insert into ai_egress (organization_id, ticket_id, job_id, purpose, endpoint, model, redacted_text, content_hash, bytes, redactions)
    values (bound_organization(), ${egress.ticket_id}, ${egress.job_id}, ${egress.purpose}, ${egress.endpoint}, ${egress.model}, ${egress.text},
            ${sql.binary(createHash('sha256').update(egress.text).digest())}, ${Buffer.byteLength(egress.text)}, ${JSON.stringify(egress.redactions)}::jsonb)
    returning id`)
}

export interface EgressEnd {
  outcome: 'answered' | 'refused' | 'failed'
  detail: string | null
  input_tokens: number | null
  output_tokens: number | null
  cost: number | null
  seconds: number
}

/** Notes what came of a text that left. */
export async function endEgress(db: CommonQueryMethods, id: number, end: EgressEnd): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ai_egress
       set outcome = ${end.outcome}, detail = ${end.detail}, input_tokens = ${end.input_tokens}, output_tokens = ${end.output_tokens}, cost = ${end.cost},
           seconds = ${end.seconds}
     where organization_id = bound_organization() and id = ${id}`)
}

export const egressRow = z.object({
  id: z.number(),
  ticket_id: z.string().nullable(),
  job_id: z.number().nullable(),
  purpose: z.string(),
  endpoint: z.string(),
  model: z.string(),
  redacted_text: z.string(),
  content_hash: z.string(),
  bytes: z.number(),
  redactions: z.record(z.string(), z.number()),
  outcome: z.enum(['sent', 'answered', 'refused', 'failed']),
  detail: z.string().nullable(),
  input_tokens: z.number().nullable(),
  output_tokens: z.number().nullable(),
  cost: z.number().nullable(),
  seconds: z.number().nullable(),
  at: z.date(),
})

/** What left, the newest first, below an id where it is given. */
export async function listEgress(
  db: CommonQueryMethods,
  filter: { ticket_id: string | null },
  page: { before: number | null; limit: number },
): Promise<readonly z.infer<typeof egressRow>[]> {
  return db.any(sql.type(egressRow)`
    select id, ticket_id, job_id, purpose, endpoint, model, redacted_text, encode(content_hash, 'hex') as content_hash, bytes, redactions, outcome, detail,
           input_tokens, output_tokens, cost, seconds, at
      from ai_egress
     where organization_id = bound_organization() and (${filter.ticket_id}::uuid is null or ticket_id = ${filter.ticket_id}::uuid)
       and (${page.before}::int8 is null or id < ${page.before}::int8)
     order by id desc limit ${page.limit}`)
}
