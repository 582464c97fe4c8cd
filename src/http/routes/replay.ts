import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LogTooLongError, replayJob } from '#db/job-replay.ts'
import type { JobReplay } from '#db/job-replay.ts'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { numberParams } from '../shapes.ts'

const SEQ_MAX = 2_147_483_647
const replayQuery = z.strictObject({
  seq: z.coerce.number().int().min(1).max(SEQ_MAX).describe('The job as it was after this event; without it, as it is at the end').optional(),
})
const fact = z.union([z.string(), z.number(), z.null()])
const replaySchema = z
  .object({
    job_id: z.number(),
    seq: z.number().nullable().describe('The last event that was folded; null where not even the first one is sound'),
    last_seq: z.number().describe("The job's last event"),
    event: z.enum(JOB_EVENTS).nullable(),
    at: z.date().nullable(),
    state: z.enum(JOB_STATES).nullable(),
    attempt: z.number().nullable(),
    worker: z.number().nullable(),
    last_error: z.string().nullable(),
    matches_row: z.boolean().nullable().describe('Whether the row is what its log says; null where an earlier event was asked for'),
    differences: z.array(z.object({ field: z.string(), row: fact, replay: fact })),
    mismatch: z
      .object({ seq: z.number(), logged: z.string(), machine: z.string() })
      .nullable()
      .describe('Where the log leaves the machine; null where it does not'),
  })
  .meta({ id: 'JobReplay' })

/** A job as its log tells it, whatever its row says. */
export const replayRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/jobs/:id/replay',
    {
      schema: {
        summary: 'A job as it was after an event, replayed from its log',
        tags: ['jobs'],
        params: numberParams,
        querystring: replayQuery,
        response: { 200: replaySchema },
      },
    },
    async (request) => {
      const { seq } = request.query
      const replay = await inScope(database, identityOf(request), (tx) => replayJob(tx, request.params.id, seq)).catch(asRefusal)
      if (!replay) throw notFound('job')
      if (seq !== undefined && seq > replay.job.version) throw notFound('event of this job')
      return showReplay(replay)
    },
  )
}

function asRefusal(error: unknown): never {
  throw error instanceof LogTooLongError ? refusal(422, `It cannot be replayed: ${error.message}.`) : error
}

function showReplay({ job, steps, mismatch, differences }: JobReplay): z.infer<typeof replaySchema> {
  const end = steps.at(-1)
  return {
    job_id: job.id,
    seq: end?.seq ?? null,
    last_seq: job.version,
    event: end?.event ?? null,
    at: end?.at ?? null,
    state: end?.state ?? null,
    attempt: end?.attempt ?? null,
    worker: end?.worker ?? null,
    last_error: end?.last_error ?? null,
    matches_row: mismatch ? false : differences && differences.length === 0,
    differences: [...(differences ?? [])],
    mismatch: mismatch && { seq: mismatch.seq, logged: mismatch.logged, machine: mismatch.machine },
  }
}
