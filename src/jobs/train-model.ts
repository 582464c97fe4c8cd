import { z } from 'zod'
import { trainClassifiers } from '#ai/training.ts'
import { insertModel } from '#db/ai-models.ts'
import { insertSlaModel } from '#db/sla-risk.ts'
import { trainRisk } from '#sla/risk-training.ts'
import type { RiskTraining } from '#sla/risk-training.ts'
import type { JobType } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

const payload = z.strictObject({})

/** Learns the organisation's models from what its tickets say now, and keeps how well they did on rows they had not seen. */
export const trainModel: JobType<z.infer<typeof payload>> = {
  name: 'TRAIN_MODEL',
  queue: 'ai',
  payload,
  max_attempts: 3,
  timeout_ms: 600_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const trained = await trainClassifiers(job, job.signal)
    job.signal.throwIfAborted()
    job.progress(0.7, 'the texts are learned')
    const sla = await trainRisk(job, job.signal)
    return {
      kind: 'succeed',
      result: { fields: trained.map(({ weights: _weights, ...one }) => one), sla_risk: slaResult(sla) },
      writes: async (tx) => {
        for (const one of trained) await insertModel(tx, one)
        if (sla.model) await insertSlaModel(tx, { model: sla.model, measured: sla.model.measured, cases: sla.model.cases, is_active: sla.serves })
      },
    }
  },
}

function slaResult({ tickets, rows, model, serves }: RiskTraining): unknown {
  return { tickets, rows, measured: model?.measured ?? null, serves: serves || (model ? 'worse than the share of time elapsed' : 'too few cases') }
}
