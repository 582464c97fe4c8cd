import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { sqlState } from '#db/errors.ts'
import { matchJobs, moveJobs } from '#db/job-bulk.ts'
import type { BulkFilter, BulkMoves } from '#db/job-bulk.ts'
import type { Database } from '#db/pool.ts'
import { eventsIn } from '#machines/job-step.ts'
import { JOB_STATES } from '#machines/job.ts'
import type { JobState } from '#machines/job.ts'
import { refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant } from '../shapes.ts'
import type { Identity } from '../tokens.ts'

const JOBS_MAX = 10_000
/** Jobs a transaction. */
const BATCH = 200
/** As many batches as there may be take long on a busy machine, and what they did is to be told. */
const BULK_TIMEOUT_MS = 300_000
/** A key that another job takes while a batch is being moved fails the batch: it is asked again. */
const TRIES_MAX = 3
const NAME_CHARS = 100
const SEARCH_CHARS = 200
const name = z.string().min(1).max(NAME_CHARS)

const filterBody = z.strictObject({
  status: z.enum(JOB_STATES).describe('Without it and without ids: failed ones for retry, live ones for cancel').optional(),
  job_type: name.optional(),
  queue: name.optional(),
  organization_id: z.guid().describe('For operators').optional(),
  created_before: instant.optional(),
  created_after: instant.optional(),
  q: z.string().min(1).max(SEARCH_CHARS).describe('Text in the payload or the last error').optional(),
  ids: z.array(z.int().min(1)).min(1).max(JOBS_MAX).optional(),
})
const bulkBody = z
  .strictObject({
    action: z.enum(['cancel', 'retry']),
    filter: filterBody.default({}),
    all: z.boolean().default(false).describe('Must be true where the filter names nothing'),
    dry_run: z.boolean().default(true).describe('Only says what matches; false moves it'),
    limit: z.int().min(1).max(JOBS_MAX).default(JOBS_MAX).describe('How many to move at most, the oldest first'),
  })
  .refine(({ all, filter }) => all || Object.values(filter).some((value) => value !== undefined), {
    path: ['filter'],
    message: 'must name something, or all must be true',
  })
type Filter = z.infer<typeof filterBody>

const report = z
  .object({
    matched: z.number().describe(`How many match, counted up to ${JOBS_MAX}`),
    has_more: z.boolean().describe('Whether more match than were counted'),
    applied: z.number(),
    requested: z.number().describe('Of those applied: how many a worker holds, and was asked to abort'),
    refused: z.number().describe('What had moved on meanwhile, or whose unique key another job has'),
    dry_run: z.boolean(),
    ids: z.array(z.number()).describe(`The first ${LIMITS.PAGE_MAX} that match; without dry_run those that were moved`),
  })
  .meta({ id: 'BulkReport' })

const EVENTS = { cancel: 'CANCEL', retry: 'REQUEUE' } as const

/** Many jobs moved by one decision, each by its machine and with its own event. */
export const jobBulkRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const schema = {
    summary: 'Cancel or retry the jobs that a filter fits; a dry run unless told otherwise',
    tags: ['jobs'],
    body: bulkBody,
    response: { 200: report },
  }

  app.post('/jobs/bulk', { schema, handlerTimeout: BULK_TIMEOUT_MS }, async (request) => {
    const identity = identityOf(request)
    const { action, filter, dry_run, limit } = request.body
    const bulk = bulkOf(filter, action, identity)
    const found = await inScope(database, identity, (tx) => matchJobs(tx, bulk, JOBS_MAX + 1))
    const answer = { matched: Math.min(found.length, JOBS_MAX), has_more: found.length > JOBS_MAX, dry_run }
    if (dry_run) return { ...answer, applied: 0, requested: 0, refused: 0, ids: found.slice(0, LIMITS.PAGE_MAX) }
    const wanted = found.slice(0, limit)
    const ids: number[] = []
    let requested = 0
    for (let first = 0; first < wanted.length; first += BATCH) {
      const batch = { ids: wanted.slice(first, first + BATCH), action, filter, states: bulk.states, request_id: request.id }
      const moves = await applyBatch(database, identity, batch)
      requested += moves.requested.length
      ids.push(...moves.moved, ...moves.requested)
      notifier.notify(...moves.queues)
      notifier.cancel(...moves.requested)
    }
    return {
      ...answer,
      applied: ids.length,
      requested,
      refused: wanted.length - ids.length,
      ids: ids.toSorted((one, other) => one - other).slice(0, LIMITS.PAGE_MAX),
    }
  })
}

/** What the filter means for the action. @throws a refusal where the asker may not ask for that organisation */
function bulkOf(filter: Filter, action: 'cancel' | 'retry', identity: Identity): BulkFilter {
  if (filter.organization_id && identity.organization_id !== null && filter.organization_id !== identity.organization_id) {
    throw refusal(403, 'Only an operator may move the jobs of another organisation.')
  }
  return {
    status: filter.status ?? null,
    job_type: filter.job_type ?? null,
    queue: filter.queue ?? null,
    organization_id: identity.organization_id ?? filter.organization_id ?? null,
    locked_by: null,
    ticket_id: null,
    q: filter.q ?? null,
    created_after: filter.created_after ?? null,
    created_before: filter.created_before ?? null,
    ids: filter.ids ?? null,
    states: statesOf(filter, action),
  }
}

/** A retry that names no state is a redrive of the dead letters: what is done or was cancelled is queued again only when asked for. */
function statesOf({ status, ids }: Filter, action: 'cancel' | 'retry'): readonly JobState[] {
  if (status) return [status]
  if (ids) return JOB_STATES
  return action === 'retry' ? ['failed'] : JOB_STATES.filter((state) => eventsIn(state).includes('CANCEL'))
}

interface Batch {
  ids: readonly number[]
  action: 'cancel' | 'retry'
  filter: Filter
  states: readonly JobState[]
  request_id: string
}

async function applyBatch(database: Database, identity: Identity, batch: Batch, tries = 1): Promise<BulkMoves> {
  try {
    return await inScope(database, identity, async (tx) => {
      const details = { actor: identity.user_id, request_id: batch.request_id, bulk: true }
      const moves = await moveJobs(tx, batch.ids, { type: EVENTS[batch.action], states: batch.states, details })
      const ids = [...moves.moved, ...moves.requested]
      await insertAudit(tx, {
        organization_id: identity.organization_id,
        actor_id: identity.user_id,
        action: `job.bulk_${batch.action}`,
        entity_type: 'job',
        entity_id: String(batch.ids[0]),
        details: { filter: { ...batch.filter, ids: batch.filter.ids?.length }, job_ids: ids, refused: batch.ids.length - ids.length },
        request_id: batch.request_id,
      })
      return moves
    })
  } catch (error) {
    if (sqlState(error) !== '23505' || tries >= TRIES_MAX) throw error
    return applyBatch(database, identity, batch, tries + 1)
  }
}
