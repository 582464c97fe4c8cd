import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { enqueueBatch, enqueueDependent, FailedDependencyError, UnknownDependencyError } from '#db/job-dependencies.ts'
import type { OnFailure } from '#db/job-dependencies.ts'
import { findJobs } from '#db/job-lists.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob, WakeAtCommit } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { Backlogs } from '../backlog.ts'
import { once, sendCreated } from '../idempotency.ts'
import { batchJob, dueAsAsked, enqueueAudit, jobFields, jobOf, keyIsTaken, wholeJob } from '../job-intake.ts'
import { jobShape, showJob } from '../job-shapes.ts'
import type { JobShape } from '../job-shapes.ts'
import { refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const DEPENDENCIES_MAX = 100
const BATCH_JOBS_MAX = 1_000

const newJobs = wholeJob(
  z.strictObject({
    ...jobFields,
    count: z.int().min(1).max(LIMITS.ENQUEUE_COUNT_MAX).default(1),
    depends_on: z.array(z.int().min(1)).min(1).max(DEPENDENCIES_MAX).describe('Jobs that must end before it runs').optional(),
    on_dependency_failure: z.enum(['cancel', 'run']).describe('What becomes of it when one of those fails or is cancelled; cancel unless given').optional(),
  }),
)
  .refine((body) => body.count === 1 || body.unique_key === undefined, { path: ['count'], message: 'must be 1 with a unique_key' })
  .refine((body) => body.count === 1 || body.depends_on === undefined, { path: ['count'], message: 'must be 1 with depends_on' })
  .refine((body) => body.on_dependency_failure === undefined || body.depends_on !== undefined, {
    path: ['on_dependency_failure'],
    message: 'goes with depends_on',
  })

const many = z.object({ items: z.array(jobShape).describe(`The first ${LIMITS.PAGE_MAX}`), count: z.number(), ids: z.array(z.number()) })
type Many = z.infer<typeof many>

const newBatch = z.strictObject({
  jobs: z.array(batchJob).min(1).max(BATCH_JOBS_MAX),
  // oxlint-disable-next-line unicorn/no-thenable -- the word that a caller expects; an object that is no function can be awaited
  then: batchJob.describe('Runs when all of them have ended, however').optional(),
})
const enqueuedBatch = z.object({ ids: z.array(z.number()), then_id: z.number().nullable() })
type EnqueuedBatch = z.infer<typeof enqueuedBatch>

export const jobEnqueueRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const backlogs = new Backlogs(database.system)
  const tags = ['jobs']

  app.post(
    '/jobs',
    { schema: { summary: 'Enqueue a job, or many of one kind', tags, body: newJobs, response: { 201: z.union([jobShape, many]) } } },
    async (request, reply) => {
      const identity = identityOf(request)
      const { count, depends_on = null, on_dependency_failure: onFailure = 'cancel' } = request.body
      const wanted = jobOf(request.body, identity)
      const refuseIfFull = await backlogs.check([wanted.queue])
      using wake = notifier.wake()
      const answer = await inScope(database, identity, (tx) =>
        once(tx, request, identity, async (keep) => {
          refuseIfFull()
          const job = (await dueAsAsked(tx, [{ job: wanted, body: request.body }]))[0]!
          const ids = depends_on === null ? await enqueue(tx, job, count, wake.atCommit) : [await enqueueAfter(tx, job, depends_on, onFailure)]
          const items = (await findJobs(tx, ids.slice(0, LIMITS.PAGE_MAX))).map(showJob)
          const body: JobShape | Many = count === 1 ? items[0]! : { items, count, ids }
          await insertAudit(tx, enqueueAudit(identity, request.id, { jobs: [job], ids, body, keep }))
          return body
        }),
      )
      if (!answer.replayed) wake.notify(wanted.queue)
      const { id } = answer.body as Partial<JobShape>
      if (id !== undefined) reply.header('location', `/api/v1/jobs/${id}`)
      return sendCreated(reply, answer)
    },
  )

  app.post(
    '/jobs/batch',
    { schema: { summary: 'Enqueue jobs of many kinds, and one that runs when they have all ended', tags, body: newBatch, response: { 201: enqueuedBatch } } },
    async (request, reply) => {
      const identity = identityOf(request)
      const bodies = [
        ...request.body.jobs.map((body, index) => ({ body, at: `jobs.${index}` })),
        ...(request.body.then ? [{ body: request.body.then, at: 'then' }] : []),
      ]
      const wanted = bodies.map(({ body, at }) => ({ job: jobOf(body, identity, at), body, at }))
      requireDistinctKeys(wanted.map(({ job }) => job))
      const queues = wanted.map(({ job }) => job.queue)
      const refuseIfFull = await backlogs.check(queues)
      const answer = await inScope(database, identity, (tx) =>
        once(tx, request, identity, async (keep) => {
          refuseIfFull()
          const all = await dueAsAsked(tx, wanted)
          const jobs = all.slice(0, request.body.jobs.length)
          const body = await enqueueAll(tx, jobs, all[jobs.length] ?? null)
          const ids = [...body.ids, ...(body.then_id === null ? [] : [body.then_id])]
          await insertAudit(tx, enqueueAudit(identity, request.id, { jobs: all, ids, body, keep }))
          return body
        }),
      )
      if (!answer.replayed) notifier.notify(...queues)
      return sendCreated(reply, answer)
    },
  )
}

/** @throws a refusal with 409 where a live job has the unique key */
async function enqueue(tx: DatabaseTransactionConnection, job: NewJob, count: number, wake: WakeAtCommit): Promise<number[]> {
  const wanted = Array.from({ length: count }, () => job)
  const ids = (await enqueueJobs(tx, wanted, wake)).filter((id) => id !== null)
  if (ids.length < count) throw await keyIsTaken(tx, [job])
  return ids
}

/** @throws a refusal where one of the others does not exist, has failed already, or a live job has the unique key */
async function enqueueAfter(tx: DatabaseTransactionConnection, job: NewJob, dependsOn: readonly number[], onFailure: OnFailure): Promise<number> {
  const id = await enqueueDependent(tx, job, dependsOn, onFailure).catch(refuseDependency)
  if (id === null) throw await keyIsTaken(tx, [job])
  return id
}

function refuseDependency(error: unknown): never {
  if (error instanceof UnknownDependencyError) {
    const message = `there is no such job: ${error.jobs.join(', ')}`
    throw refusal(422, 'A job that it is to wait for does not exist.', {
      type: 'urn:atum-desk:problem:unknown-dependency',
      errors: [{ location: 'body', path: 'depends_on', message }],
      members: { job_ids: error.jobs },
    })
  }
  if (error instanceof FailedDependencyError) {
    throw refusal(409, `A job that it is to wait for has failed or was cancelled already: ${error.jobs.join(', ')}.`, {
      type: 'urn:atum-desk:problem:failed-dependency',
      members: { job_ids: error.jobs },
    })
  }
  throw error
}

/** All of them or none. @throws a refusal with 409 where a live job has a unique key of theirs */
async function enqueueAll(tx: DatabaseTransactionConnection, jobs: readonly NewJob[], then: NewJob | null): Promise<EnqueuedBatch> {
  const { jobs: made, callback } = then ? await enqueueBatch(tx, jobs, then) : { jobs: await enqueueJobs(tx, jobs), callback: null }
  const refused = [...jobs.filter((_, index) => made[index] === null), ...(then && callback === null ? [then] : [])]
  if (refused.length > 0) throw await keyIsTaken(tx, refused)
  return { ids: made.filter((id) => id !== null), then_id: callback }
}

/** @throws a refusal where two of them have one unique key: the second would be refused for the first */
function requireDistinctKeys(jobs: readonly NewJob[]): void {
  const keys = jobs.filter((job) => job.unique_key !== null).map((job) => JSON.stringify([job.organization_id, job.job_type, job.unique_key]))
  if (new Set(keys).size === keys.length) return
  throw refusal(422, 'Two jobs of the batch have one unique key.', {
    errors: [{ location: 'body', path: 'jobs', message: 'must not have a type and unique_key twice' }],
  })
}
