import { z } from 'zod'
import { jobEventRow, jobRow } from '#db/jobs.ts'
import type { JobRow } from '#db/jobs.ts'
import { waitingSchema } from './waiting.ts'

/** A job in JSON. */
export const jobShape = jobRow
  .omit({ version: true, locked_at: true, cancel_requested_at: true })
  .extend({ cancel_requested: z.boolean().describe('A worker was asked to abort it, and has not done so yet') })
export type JobShape = z.infer<typeof jobShape>
export const jobSchema = jobShape.meta({ id: 'Job' })

export const jobDetailSchema = jobShape
  .extend({
    allowed_events: z.array(z.string()),
    waiting_because: z.array(waitingSchema).describe('Empty where the job has ended'),
    progress: z.unknown(),
  })
  .meta({ id: 'JobDetail' })

export const jobEventSchema = jobEventRow.meta({ id: 'JobEvent' })

export function showJob({ version: _version, locked_at: _lockedAt, cancel_requested_at, ...job }: JobRow): JobShape {
  return { ...job, cancel_requested: cancel_requested_at !== null }
}
