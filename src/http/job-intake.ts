import { z } from 'zod'
import { LIMITS } from '#config.ts'
import type { AuditEntry } from '#db/audit.ts'
import { jobsWithKeys } from '#db/job-lists.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { transactionTime } from '#db/transaction-time.ts'
import { newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { jobTypes } from '#jobs/registry.ts'
import type { AnswerToKeep } from './idempotency.ts'
import { requireMayEnqueue } from './job-authority.ts'
import { refusal } from './refusal.ts'
import type { FieldError } from './refusal.ts'
import { instant } from './shapes.ts'
import type { Identity } from './tokens.ts'

const LIMIT_MAX = 10_000
const DAY_MS = 86_400_000

/** What says a job to enqueue; `wholeJob` checks what goes with what. */
export const jobFields = {
  job_type: z.enum([...jobTypes.keys()]).describe('An admin enqueues the work of the organisation; SEND_EMAIL, DELIVER_WEBHOOK and CLEANUP are for operators'),
  payload: z.unknown().optional(),
  priority: z.int().min(-100).max(100).optional(),
  delay_ms: z.int().min(0).max(LIMITS.DELAY_MAX_MS).optional(),
  run_after: instant.describe("At most 366 days from now, by the database's clock").optional(),
  unique_key: z
    .string()
    .min(1)
    .max(LIMITS.UNIQUE_KEY_CHARS)
    .describe('While a job of this type with this key lives, a second one is refused with 409')
    .optional(),
  unique_for_ms: z
    .int()
    .min(1)
    .max(LIMITS.UNIQUE_FOR_MAX_MS)
    .describe(
      'From its enqueue on, the key is refused for this long to others that name a period, also when this job is done; not when it failed or was cancelled',
    )
    .optional(),
  max_attempts: z.int().min(1).max(100).optional(),
  limit_key: z.string().min(1).max(LIMITS.UNIQUE_KEY_CHARS).describe('At most limit_max jobs of the organisation with this key are held at a time').optional(),
  limit_max: z.int().min(1).max(LIMIT_MAX).optional(),
  organization_id: z.guid().describe('For operators; everybody else enqueues for the own organisation').optional(),
}
const fields = z.strictObject(jobFields)
type JobFields = z.infer<typeof fields>

/** What every job to enqueue must satisfy beyond its fields. */
export function wholeJob<Shape extends z.ZodType<JobFields>>(shape: Shape): Shape {
  return shape
    .refine((body) => body.delay_ms === undefined || body.run_after === undefined, { path: ['run_after'], message: 'cannot go with delay_ms' })
    .refine((body) => body.unique_for_ms === undefined || body.unique_key !== undefined, { path: ['unique_for_ms'], message: 'goes with unique_key' })
    .refine((body) => (body.limit_key === undefined) === (body.limit_max === undefined), {
      path: ['limit_max'],
      message: 'goes with limit_key, and only with it',
    })
}

/** A job of a batch. */
export const batchJob = wholeJob(fields)

/**
 * The row to enqueue, checked by its type; `dueAsAsked` says when it is due.
 *
 * @param at where in the body the job stands, for the errors: `jobs.3`
 * @throws a refusal where the asker or the kind of job does not allow it, or the payload does not fit
 */
export function jobOf(body: JobFields, identity: Identity, at = ''): NewJob {
  const type = jobTypes.get(body.job_type)!
  requireMayEnqueue(identity.role, type.name)
  const path = (name: string) => [at, name].filter(Boolean).join('.')
  const organizationId = organizationOf(body, type, identity, path('organization_id'))
  return {
    ...newJob(type, organizationId, payloadOf(body, type, path('payload')), {
      priority: body.priority ?? 0,
      delay_ms: body.delay_ms ?? 0,
      unique_key: body.unique_key ?? null,
      ...(body.unique_for_ms === undefined ? {} : { unique_for_ms: body.unique_for_ms }),
      ...(body.max_attempts === undefined ? {} : { max_attempts: body.max_attempts }),
    }),
    limit_key: body.limit_key ?? null,
    limit_max: body.limit_max ?? null,
  }
}

/**
 * The jobs, due when their bodies say. What is told as an instant is measured by the database's clock, at the time from which
 * `delay_ms` counts: an API process whose clock is off changes nothing.
 *
 * @param at where in the body a job stands, for the errors
 * @throws a refusal where one is due too far ahead
 */
export async function dueAsAsked(tx: CommonQueryMethods, wanted: readonly { job: NewJob; body: JobFields; at?: string }[]): Promise<NewJob[]> {
  if (wanted.every(({ body }) => body.run_after === undefined)) return wanted.map(({ job }) => job)
  const now = await transactionTime(tx)
  return wanted.map(({ job, body: { run_after }, at }) => {
    if (run_after === undefined) return job
    const delay_ms = Math.max(0, Date.parse(run_after) - now)
    if (delay_ms <= LIMITS.DELAY_MAX_MS) return { ...job, delay_ms }
    const message = `must lie within ${LIMITS.DELAY_MAX_MS / DAY_MS} days`
    throw refusal(422, 'A job cannot be due so far ahead.', { errors: [bodyError([at, 'run_after'].filter(Boolean).join('.'), message)] })
  })
}

/** Whose job it is to be. */
function organizationOf(body: JobFields, type: JobType, identity: Identity, path: string): string | null {
  if (identity.organization_id !== null && body.organization_id !== undefined && body.organization_id !== identity.organization_id) {
    throw refusal(403, 'Only an operator may enqueue for another organisation.')
  }
  const organizationId = identity.organization_id ?? body.organization_id ?? null
  const wrong = (message: string) => refusal(422, `${type.name} ${message}.`, { errors: [{ location: 'body', path, message }] })
  if (type.belongs_to === 'organization' && organizationId === null) throw wrong('belongs to an organisation: name one')
  if (type.belongs_to === 'installation' && organizationId !== null) throw wrong('belongs to the installation, to no organisation')
  return organizationId
}

function payloadOf(body: JobFields, type: JobType, at: string): unknown {
  const payload = type.payload.safeParse(body.payload ?? {})
  if (!payload.success) {
    const errors = payload.error.issues.map((issue) => bodyError([at, ...issue.path].join('.'), issue.message))
    throw refusal(422, `The payload does not fit ${type.name}: see errors.`, { errors })
  }
  if (Buffer.byteLength(JSON.stringify(payload.data)) > LIMITS.PAYLOAD_BYTES) {
    throw refusal(422, 'The payload is too large.', { errors: [bodyError(at, `must have at most ${LIMITS.PAYLOAD_BYTES} bytes as JSON`)] })
  }
  return payload.data
}

function bodyError(path: string, message: string): FieldError {
  return { location: 'body', path, message }
}

/** The refusal of jobs whose unique keys others have, with the ids of those that do; a job that has lost its key meanwhile is not among them. */
export async function keyIsTaken(db: CommonQueryMethods, refused: readonly NewJob[]): Promise<Error> {
  const ids = await jobsWithKeys(db, refused)
  return refusal(409, 'A job of this type has this unique key: it lives, or keeps the key for a period.', {
    type: 'urn:atum-desk:problem:job-exists',
    members: { job_id: ids[0] ?? null, job_ids: ids },
  })
}

/** Who enqueued what; an operator's answer is kept in it, so that the same key gives the same answer. */
export function enqueueAudit(
  identity: Identity,
  request_id: string,
  { jobs, ids, body, keep }: { jobs: readonly NewJob[]; ids: readonly number[]; body: unknown; keep: AnswerToKeep | null },
): AuditEntry {
  const organizations = [...new Set(jobs.map((job) => job.organization_id))]
  const types = [...new Set(jobs.map((job) => job.job_type))]
  const only = organizations.length === 1 ? organizations[0]! : null
  return {
    // A kept answer is found again under the installation, where an operator's keys are.
    organization_id: identity.organization_id ?? (keep ? null : only),
    actor_id: identity.user_id,
    action: 'job.enqueue',
    entity_type: 'job',
    entity_id: String(ids[0]),
    details: {
      job_type: types.join(', '),
      count: ids.length,
      for_organization: only,
      ...(keep && identity.organization_id === null ? { idempotency: { ...keep, body } } : {}),
    },
    request_id,
  }
}
