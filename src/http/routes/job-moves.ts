import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { insertAudit } from '#db/audit.ts'
import { findJob } from '#db/job-lists.ts'
import { moveJob } from '#db/job-moves.ts'
import { rescheduleJob } from '#db/reschedule.ts'
import type { JobRow } from '#db/jobs.ts'
import { eventsIn } from '#machines/job-step.ts'
import type { JobState } from '#machines/job.ts'
import { jobSchema, showJob } from '../job-shapes.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant, noBody, numberParams } from '../shapes.ts'

const due = z.strictObject({ run_after: instant })

const MOVE_REFUSED = 'urn:atum-desk:problem:move-refused'

/** An operator's decisions about one job, each with its audit row. */
export const jobMoveRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['jobs']
  const response = { 200: jobSchema, 202: jobSchema }

  async function move(request: FastifyRequest, id: number, type: 'CANCEL' | 'REQUEUE', action: string): Promise<{ status: 200 | 202; job: JobRow }> {
    const identity = identityOf(request)
    const moved = await inScope(database, identity, async (tx) => {
      const answer = await moveJob(tx, id, { type }, { actor: identity.user_id, request_id: request.id })
      if (answer.kind === 'unknown') throw notFound('job')
      if (answer.kind === 'refused') {
        throw refusal(409, `A job that is ${answer.state} cannot be ${type === 'CANCEL' ? 'cancelled' : 'queued again'}.`, {
          type: MOVE_REFUSED,
          members: { state: answer.state, allowed_events: answer.allowed_events },
        })
      }
      if (answer.kind === 'key_taken') {
        throw refusal(409, `Job ${answer.holder} lives and has the unique key of this one, which can be queued again when that one has ended.`, {
          type: 'urn:atum-desk:problem:job-exists',
          members: { state: answer.state, job_id: answer.holder },
        })
      }
      const job = await findJob(tx, id)
      if (!job) throw notFound('job')
      await insertAudit(tx, {
        organization_id: job.organization_id,
        actor_id: identity.user_id,
        action,
        entity_type: 'job',
        entity_id: String(id),
        request_id: request.id,
      })
      return { status: answer.kind === 'requested' ? (202 as const) : (200 as const), job }
    })
    if (moved.status === 202) notifier.cancel(id)
    else notifier.notify(moved.job.queue)
    return moved
  }

  app.post(
    '/jobs/:id/retry',
    { schema: { summary: 'Queue a finished job again', tags, params: numberParams, body: noBody, response } },
    async (request, reply) => {
      const { status, job } = await move(request, request.params.id, 'REQUEUE', 'job.retry')
      return reply.code(status).send(showJob(job))
    },
  )

  app.post(
    '/jobs/:id/cancel',
    { schema: { summary: 'Cancel a job; 202 where a worker was asked to abort it', tags, params: numberParams, body: noBody, response } },
    async (request, reply) => {
      const { status, job } = await move(request, request.params.id, 'CANCEL', 'job.cancel')
      return reply.code(status).send(showJob(job))
    },
  )

  app.post(
    '/jobs/:id/reschedule',
    { schema: { summary: 'Change when a waiting job is due', tags, params: numberParams, body: due, response: { 200: jobSchema } } },
    async (request) => {
      const identity = identityOf(request)
      const { id } = request.params
      const { run_after } = request.body
      const job = await inScope(database, identity, async (tx) => {
        const before = await findJob(tx, id)
        if (!before) throw notFound('job')
        if (!(await rescheduleJob(tx, id, run_after))) throw cannotWait(before.status)
        await insertAudit(tx, {
          organization_id: before.organization_id,
          actor_id: identity.user_id,
          action: 'job.reschedule',
          entity_type: 'job',
          entity_id: String(id),
          details: { before: before.run_after, after: run_after },
          request_id: request.id,
        })
        return { ...before, run_after: new Date(run_after) }
      })
      notifier.notify(job.queue)
      const { progress: _progress, ...row } = job
      return showJob(row)
    },
  )
}

/** A job that is queued by its row has been given to a worker, whose claim is not recorded yet, or is being taken. */
function cannotWait(state: JobState): Error {
  const isTaken = state === 'queued' || state === 'retried'
  const detail = isTaken
    ? 'A worker is taking this job now. Look at it again in a moment: it can be cancelled, also while it runs.'
    : `Only a job that waits can be told when to run; this one is ${state}.`
  return refusal(409, detail, { type: MOVE_REFUSED, members: { state, allowed_events: eventsIn(state) } })
}
