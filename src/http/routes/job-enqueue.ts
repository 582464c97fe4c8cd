import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { findJobs } from '#db/job-lists.ts'
import { enqueueJobs } from '#db/jobs.ts'
import type { NewJob } from '#db/jobs.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { jobTypes } from '#jobs/registry.ts'
import { once, sendCreated } from '../idempotency.ts'
import type { AnswerToKeep } from '../idempotency.ts'
import { jobShape, showJob } from '../job-shapes.ts'
import type { JobShape } from '../job-shapes.ts'
import { refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant } from '../shapes.ts'
import type { Identity } from '../tokens.ts'

const DELAY_MAX_MS = 366 * 24 * 3_600_000
const UNIQUE_KEY_CHARS = 200

const newJobs = z
  .strictObject({
    job_type: z.enum([...jobTypes.keys()]),
    payload: z.unknown().optional(),
    priority: z.int().min(-100).max(100).optional(),
    delay_ms: z.int().min(0).max(DELAY_MAX_MS).optional(),
    run_after: instant.optional(),
    unique_key: z.string().min(1).max(UNIQUE_KEY_CHARS).optional(),
    max_attempts: z.int().min(1).max(100).optional(),
    count: z.int().min(1).max(LIMITS.ENQUEUE_COUNT_MAX).default(1),
    organization_id: z.guid().describe('For operators; everybody else enqueues for the own organisation').optional(),
  })
  .refine((body) => body.delay_ms === undefined || body.run_after === undefined, { path: ['run_after'], message: 'cannot go with delay_ms' })
  .refine((body) => body.count === 1 || body.unique_key === undefined, { path: ['count'], message: 'must be 1 with a unique_key' })
type NewJobs = z.infer<typeof newJobs>

const batch = z.object({ items: z.array(jobShape).describe(`The first ${LIMITS.PAGE_MAX}`), count: z.number(), ids: z.array(z.number()) })
type Batch = z.infer<typeof batch>

export const jobEnqueueRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const schema = { summary: 'Enqueue a job, or many of one kind', tags: ['jobs'], body: newJobs, response: { 201: z.union([jobShape, batch]) } }

  app.post('/jobs', { schema }, async (request, reply) => {
    const identity = identityOf(request)
    const type = jobTypes.get(request.body.job_type)!
    const job = jobOf(type, request.body, organizationOf(request.body, type, identity))
    const answer = await inScope(database, identity, (tx) =>
      once(tx, request, identity, async (keep) => {
        const body = await enqueue(tx, job, request.body.count)
        await audit(tx, { identity, request_id: request.id, job, body, keep })
        return body
      }),
    )
    if (!answer.replayed) notifier.notify(type.queue)
    const { id } = answer.body as Partial<JobShape>
    if (id !== undefined) reply.header('location', `/api/v1/jobs/${id}`)
    return sendCreated(reply, answer)
  })
}

/** Whose job it is to be. @throws a refusal where the asker or the kind of job does not allow that */
function organizationOf(body: NewJobs, type: JobType, identity: Identity): string | null {
  if (identity.organization_id !== null && body.organization_id !== undefined && body.organization_id !== identity.organization_id) {
    throw refusal(403, 'Only an operator may enqueue for another organisation.')
  }
  const organizationId = identity.organization_id ?? body.organization_id ?? null
  const wrong = (message: string) => refusal(422, `${type.name} ${message}.`, { errors: [{ location: 'body', path: 'organization_id', message }] })
  if (type.belongs_to === 'organization' && organizationId === null) throw wrong('belongs to an organisation: name one')
  if (type.belongs_to === 'installation' && organizationId !== null) {
    throw identity.role === 'operator' ? wrong('belongs to the installation, to no organisation') : refusal(403, `Only an operator may enqueue ${type.name}.`)
  }
  return organizationId
}

function jobOf(type: JobType, body: NewJobs, organizationId: string | null): NewJob {
  const payload = type.payload.safeParse(body.payload ?? {})
  if (!payload.success) {
    const errors = payload.error.issues.map((issue) => ({ location: 'body' as const, path: ['payload', ...issue.path].join('.'), message: issue.message }))
    throw refusal(422, `The payload does not fit ${type.name}: see errors.`, { errors })
  }
  if (Buffer.byteLength(JSON.stringify(payload.data)) > LIMITS.PAYLOAD_BYTES) {
    throw refusal(422, 'The payload is too large.', {
      errors: [{ location: 'body', path: 'payload', message: `must have at most ${LIMITS.PAYLOAD_BYTES} bytes as JSON` }],
    })
  }
  const delay_ms = body.run_after === undefined ? (body.delay_ms ?? 0) : Math.min(DELAY_MAX_MS, Math.max(0, Date.parse(body.run_after) - Date.now()))
  return newJob(type, organizationId, payload.data, {
    priority: body.priority ?? 0,
    delay_ms,
    unique_key: body.unique_key ?? null,
    ...(body.max_attempts === undefined ? {} : { max_attempts: body.max_attempts }),
  })
}

/** One job as itself, many as a batch. @throws a refusal with 409 where a live job has the unique key */
async function enqueue(tx: DatabaseTransactionConnection, job: NewJob, count: number): Promise<JobShape | Batch> {
  const ids = (
    await enqueueJobs(
      tx,
      Array.from({ length: count }, () => job),
    )
  ).filter((id) => id !== null)
  if (ids.length < count) throw refusal(409, 'A live job of this type has this unique key.', { type: 'urn:atum-desk:problem:job-exists' })
  const items = (await findJobs(tx, ids.slice(0, LIMITS.PAGE_MAX))).map(showJob)
  return count === 1 ? items[0]! : { items, count, ids }
}

async function audit(
  tx: DatabaseTransactionConnection,
  { identity, request_id, job, body, keep }: { identity: Identity; request_id: string; job: NewJob; body: JobShape | Batch; keep: AnswerToKeep | null },
): Promise<void> {
  const ids = 'ids' in body ? body.ids : [body.id]
  await insertAudit(tx, {
    // A kept answer is found again under the installation, where an operator's keys are.
    organization_id: identity.organization_id ?? (keep ? null : job.organization_id),
    actor_id: identity.user_id,
    action: 'job.enqueue',
    entity_type: 'job',
    entity_id: String(ids[0]),
    details: {
      job_type: job.job_type,
      count: ids.length,
      for_organization: job.organization_id,
      ...(keep && identity.organization_id === null ? { idempotency: { ...keep, body } } : {}),
    },
    request_id,
  })
}
