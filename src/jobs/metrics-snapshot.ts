import { z } from 'zod'
import { insertWeek, readFieldQuality } from '#db/ai-quality.ts'
import { scoredPredictionsOf } from '#db/sla-risk.ts'
import { insertSnapshot, readSnapshot } from '#db/snapshots.ts'
import { scoreRisks } from '#sla/risk-measures.ts'
import type { JobType, Outcome, RunningJob } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

/** A slot is this long, and begins at a multiple of it (UTC). */
const SLOT_MINUTES = 5
const WINDOW_DAYS = 30

/** The newest scored risks of a week that its figures are made of. */
const RISKS_MAX = 20_000

const DAY_MS = 86_400_000

const payload = z.strictObject({ figures: z.enum(['desk', 'ai_quality']).optional() })

/** Keeps the organisation's figures, once a slot; those of its models once a week. */
export const metricsSnapshot: JobType<z.infer<typeof payload>> = {
  name: 'METRICS_SNAPSHOT',
  queue: 'default',
  payload,
  max_attempts: 3,
  timeout_ms: 60_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    if (job.payload.figures === 'ai_quality') return keepWeek(job)
    const snapshot = await job.read((db) => readSnapshot(db, { slot_minutes: SLOT_MINUTES, window_days: WINDOW_DAYS }))
    return {
      kind: 'succeed',
      result: { slot: snapshot.slot.toISOString() },
      writes: async (tx) => {
        await insertSnapshot(tx, snapshot)
      },
    }
  },
}

/** What the predictions of the week that is over were worth. Predictions are scored when their tickets are solved, so a week tells what is known at its end. */
async function keepWeek(job: RunningJob<unknown>): Promise<Outcome> {
  const to = lastMonday(new Date())
  const from = new Date(to.getTime() - 7 * DAY_MS)
  const week = from.toISOString().slice(0, 10)
  const [fields, risks] = await job.read(
    async (db) => [await readFieldQuality(db, { from, to }), await scoredPredictionsOf(db, { from, to }, RISKS_MAX)] as const,
  )
  const sla_risk = [...Map.groupBy(risks, ({ basis }) => basis)].map(([basis, rows]) => ({ basis, ...scoreRisks(rows) }))
  return { kind: 'succeed', result: { week, fields: fields.length }, writes: (tx) => insertWeek(tx, week, { fields, sla_risk }) }
}

/** When the week began (UTC). */
function lastMonday(now: Date): Date {
  const day = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate())
  return new Date(day - ((now.getUTCDay() + 6) % 7) * DAY_MS)
}
