import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { Cron } from 'croner'
import { z } from 'zod'
import { insertAudit } from '#db/audit.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { organizationIds } from '#db/schedules.ts'
import { listSchedules, scheduleRow } from '#db/workers-list.ts'
import type { ScheduleListRow } from '#db/workers-list.ts'
import { newJob } from '#jobs/job-type.ts'
import { jobTypes } from '#jobs/registry.ts'
import { once, sendCreated } from '../idempotency.ts'
import { notFound } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, noBody } from '../shapes.ts'

const NAME_CHARS = 100

const schedule = scheduleRow.extend({ next_at: z.date().nullable().describe('When its next slot comes; null where it is not active') }).meta({ id: 'Schedule' })
const params = z.strictObject({ name: z.string().min(1).max(NAME_CHARS) })
const run = z.object({ enqueued: z.number(), job_ids: z.array(z.number()) }).meta({ id: 'ScheduleRun' })

/** What runs by the clock, and an operator's hand on it. */
export const scheduleRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['engine']

  app.get('/schedules', { schema: { summary: 'What runs by the clock', tags, response: { 200: listOf(schedule) } } }, async () => ({
    items: (await listSchedules(database.system)).map((row) => ({ ...row, next_at: nextOf(row) })),
  }))

  app.post(
    '/schedules/:name/run',
    { schema: { summary: 'Enqueue now what a schedule would; its slots stay as they are', tags, params, body: noBody, response: { 201: run } } },
    async (request, reply) => {
      const identity = identityOf(request)
      const { name } = request.params
      let queue: string | null = null
      const answer = await database.system.transaction((tx) =>
        once(tx, request, identity, async (keep) => {
          const found = (await listSchedules(tx)).find((row) => row.name === name)
          const type = found && jobTypes.get(found.job_type)
          if (!found || !type) throw notFound('schedule')
          const owners = found.per_organization ? await organizationIds(tx) : [null]
          const jobs = owners.map((owner) => newJob(type, owner, found.payload))
          const enqueued = (await enqueueJobs(tx, jobs)).filter((id) => id !== null)
          const body = { enqueued: enqueued.length, job_ids: enqueued }
          await insertAudit(tx, {
            organization_id: null,
            actor_id: identity.user_id,
            action: 'schedule.run',
            entity_type: 'schedule',
            entity_id: name,
            // An operator's kept answer is found again in this audit row.
            details: { job_ids: enqueued, ...(keep ? { idempotency: { ...keep, body } } : {}) },
            request_id: request.id,
          })
          queue = type.queue
          return body
        }),
      )
      if (queue !== null) notifier.notify(queue)
      return sendCreated(reply, answer)
    },
  )
}

function nextOf({ cron, is_active }: ScheduleListRow): Date | null {
  return is_active ? new Cron(cron, { timezone: 'UTC', paused: true }).nextRun() : null
}
