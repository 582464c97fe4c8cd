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
      const { user_id } = identityOf(request)
      const { name } = request.params
      const { queue, ids } = await database.system.transaction(async (tx) => {
        const found = (await listSchedules(tx)).find((row) => row.name === name)
        const type = found && jobTypes.get(found.job_type)
        if (!found || !type) throw notFound('schedule')
        const owners = found.per_organization ? await organizationIds(tx) : [null]
        const jobs = owners.map((owner) => newJob(type, owner, found.payload))
        const enqueued = (await enqueueJobs(tx, jobs)).filter((id) => id !== null)
        await insertAudit(tx, {
          organization_id: null,
          actor_id: user_id,
          action: 'schedule.run',
          entity_type: 'schedule',
          entity_id: name,
          details: { job_ids: enqueued },
          request_id: request.id,
        })
        return { queue: type.queue, ids: enqueued }
      })
      notifier.notify(queue)
      return reply.code(201).send({ enqueued: ids.length, job_ids: ids })
    },
  )
}

function nextOf({ cron, is_active }: ScheduleListRow): Date | null {
  return is_active ? new Cron(cron, { timezone: 'UTC', paused: true }).nextRun() : null
}
