import { z } from 'zod'
import { PREDICTED_FIELDS } from './predictions.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const share = z.number().nullable()

/** How sure and how right, of the scored predictions whose confidence lies in a tenth. */
const bin = z.object({ from: z.number(), to: z.number(), count: z.number(), confidence: z.number(), accuracy: z.number() })

export const fieldQuality = z.object({
  field: z.enum(PREDICTED_FIELDS),
  predictions: z.number(),
  offered: z.number().describe('Sure enough to be shown, and shown'),
  coverage: share.describe('Offered of all predictions'),
  applied: z.number().describe('Written to the ticket by the mode of the field'),
  accepted: z.number(),
  edited: z.number(),
  rejected: z.number(),
  expired: z.number(),
  replaced: z.number(),
  open: z.number().describe('Offered, and nobody has decided yet'),
  acceptance_rate: share.describe('Accepted of what was decided on'),
  override_rate: share.describe('Edited or rejected of what was decided on'),
  median_seconds_to_decision: z.number().nullable(),
  mean_edit_distance: z.number().nullable(),
  scored: z.number().describe('Predictions of which is known by now whether they were right'),
  accuracy: share,
  accuracy_offered: share.describe('The same of what was offered'),
  mean_confidence: z.number().nullable(),
  calibration_error: share.describe('Mean distance between how sure and how right, over ten equal bins of the scored'),
  calibration: z.array(bin),
})
export type FieldQuality = z.infer<typeof fieldQuality>

/** What the bound organisation's predictions of some days were worth; a share without anything to share is null. */
export async function readFieldQuality(db: CommonQueryMethods, window: { from: Date; to: Date }): Promise<readonly FieldQuality[]> {
  return db.any(sql.type(fieldQuality)`
    with known as (
      select * from ai_predictions
       where organization_id = bound_organization() and created_at >= ${window.from.toISOString()} and created_at < ${window.to.toISOString()}
    ), bins as (
      select field, least(floor(confidence * 10), 9) as bin, count(*) as count, avg(confidence) as confidence, avg(is_right::int)::float8 as accuracy
        from known where is_right is not null and confidence is not null group by 1, 2
    ), calibrations as (
      select field, sum(count * abs(confidence - accuracy))::float8 / sum(count)::float8 as error,
             jsonb_agg(jsonb_build_object('from', bin / 10, 'to', (bin + 1) / 10, 'count', count, 'confidence', confidence, 'accuracy', accuracy) order by bin) as bins
        from bins group by field
    ), counted as (
      select field, count(*) as predictions, count(state) as offered, count(applied_at) as applied,
             count(*) filter (where state = 'accepted') as accepted, count(*) filter (where state = 'edited') as edited,
             count(*) filter (where state = 'rejected') as rejected, count(*) filter (where state = 'expired') as expired,
             count(*) filter (where state = 'replaced') as replaced, count(*) filter (where state = 'offered') as open,
             percentile_cont(0.5) within group (order by extract(epoch from decided_at - created_at)::float8)
               filter (where state in ('accepted', 'edited', 'rejected')) as median_seconds_to_decision,
             avg(edit_distance)::float8 as mean_edit_distance, count(is_right) as scored, avg(is_right::int)::float8 as accuracy,
             (avg(is_right::int) filter (where state is not null))::float8 as accuracy_offered, avg(confidence) as mean_confidence
        from known group by field
    )
    select field, predictions, offered, offered::float8 / predictions as coverage, applied, accepted, edited, rejected, expired, replaced, open,
           accepted::float8 / nullif(accepted + edited + rejected, 0) as acceptance_rate,
           (edited + rejected)::float8 / nullif(accepted + edited + rejected, 0) as override_rate,
           median_seconds_to_decision, mean_edit_distance, scored, accuracy, accuracy_offered, mean_confidence,
           error as calibration_error, coalesce(bins, '[]') as calibration
      from counted left join calibrations using (field) order by field`)
}

export const articleQuality = z.object({ suggested: z.number(), voted: z.number(), helpful: z.number(), helpful_rate: share })

/** What people said of the articles that were suggested. */
export async function readArticleQuality(db: CommonQueryMethods, window: { from: Date; to: Date }): Promise<z.infer<typeof articleQuality>> {
  return db.one(sql.type(articleQuality)`
    select count(*) as suggested, count(is_helpful) as voted, count(*) filter (where is_helpful) as helpful, avg(is_helpful::int)::float8 as helpful_rate
      from ticket_kb_suggestions
     where organization_id = bound_organization() and created_at >= ${window.from.toISOString()} and created_at < ${window.to.toISOString()}`)
}

export const modelUse = z.object({
  calls: z.number(),
  answered: z.number(),
  refused: z.number(),
  failed: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  cost: z.number(),
  bytes: z.number(),
  median_seconds: z.number().nullable(),
})

/** What the language model was asked, and what it cost. */
export async function readModelUse(db: CommonQueryMethods, window: { from: Date; to: Date }): Promise<z.infer<typeof modelUse>> {
  return db.one(sql.type(modelUse)`
    select count(*) as calls, count(*) filter (where outcome = 'answered') as answered, count(*) filter (where outcome = 'refused') as refused,
           count(*) filter (where outcome in ('failed', 'sent')) as failed, coalesce(sum(input_tokens), 0) as input_tokens,
           coalesce(sum(output_tokens), 0) as output_tokens, coalesce(sum(cost), 0) as cost, coalesce(sum(bytes), 0) as bytes,
           percentile_cont(0.5) within group (order by seconds) as median_seconds
      from ai_egress
     where organization_id = bound_organization() and at >= ${window.from.toISOString()} and at < ${window.to.toISOString()}`)
}

/** How many labels agents gave, of which fields. */
export async function countLabels(db: CommonQueryMethods, window: { from: Date; to: Date }): Promise<Record<string, number>> {
  return db.oneFirst(sql.type(z.object({ labels: z.record(z.string(), z.number()) }))`
    select coalesce(jsonb_object_agg(field, count), '{}') as labels from (
      select field, count(*) from ai_labels
       where organization_id = bound_organization() and at >= ${window.from.toISOString()} and at < ${window.to.toISOString()} group by field
    ) counted`)
}

/** How good the risks of missed clocks were, by what they were come by, beside the share of the target that was used up. */
export const riskQuality = z.object({
  basis: z.string(),
  rows: z.number(),
  auc: z.number().nullable(),
  brier: z.number(),
  ece: z.number(),
  auc_elapsed_share: z.number().nullable(),
  brier_elapsed_share: z.number(),
})
export type RiskQuality = z.infer<typeof riskQuality>

/** Weeks from before risks were kept have none. */
const report = z.object({ fields: z.array(fieldQuality), sla_risk: z.array(riskQuality).default([]) })
export const weekRow = z.object({ week: z.string(), report })

/** Keeps the figures of a week, once. */
export async function insertWeek(
  db: CommonQueryMethods,
  week: string,
  report: { fields: readonly FieldQuality[]; sla_risk: readonly RiskQuality[] },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into ai_quality_snapshots (organization_id, week, report) values (bound_organization(), ${week}::date, ${JSON.stringify(report)}::jsonb)
    on conflict (organization_id, week) do nothing`)
}

/** The newest weeks, the newest first. */
export async function listWeeks(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof weekRow>[]> {
  return db.any(sql.type(weekRow)`
    select to_char(week, 'YYYY-MM-DD') as week, report from ai_quality_snapshots
     where organization_id = bound_organization() order by week desc limit ${limit}`)
}
