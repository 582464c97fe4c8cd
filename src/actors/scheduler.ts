import { Cron } from 'croner'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { notifyWorkers } from '#db/jobs.ts'
import { activeSchedules, noteSlot, organizationIds, takeSlot } from '#db/schedules.ts'
import type { ScheduleRow } from '#db/schedules.ts'
import { newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import type { Engine } from './engine.ts'
import type { Service } from './service.ts'

/** Slots that a look back passes over at most; a schedule finer than this over a long outage loses nothing but the count. */
const MISSED_MAX = 10_000

/**
 * Enqueues what the schedules say, each slot once, whatever the number of workers: a slot is a row with a primary key,
 * written in the transaction of its jobs.
 *
 * Catch-up rule: of the slots that passed while no worker was there, the newest alone is made up for.
 */
export const schedulerService: Service = {
  name: 'scheduler',
  everyMs: (engine) => engine.config.SCHEDULER_MS,
  async runOnce(engine) {
    for (const schedule of await activeSchedules(engine.database.system)) {
      const slot = newestDueSlot(schedule)
      if (slot) await enqueueSlot(engine, schedule, slot)
    }
  },
}

/** The newest slot after the last one taken and not after the database's now; null where none has come. Pure. */
export function newestDueSlot(schedule: Pick<ScheduleRow, 'cron' | 'last_slot' | 'now'>): Date | null {
  const cron = new Cron(schedule.cron, { timezone: 'UTC', paused: true })
  let newest: Date | null = null
  let next = cron.nextRun(schedule.last_slot ?? schedule.now)
  for (let passed = 0; next && next <= schedule.now && passed < MISSED_MAX; passed += 1) {
    newest = next
    next = cron.nextRun(next)
  }
  return newest
}

async function enqueueSlot(engine: Engine, schedule: ScheduleRow, slot: Date): Promise<void> {
  const type = engine.jobTypes.get(schedule.job_type)
  if (!type) throw new Error(`schedule ${schedule.name} names the unknown job type ${schedule.job_type}`)
  const enqueued = await engine.database.system.transaction(async (tx) => {
    if (!(await takeSlot(tx, schedule.name, slot))) return 0
    const owners = schedule.per_organization ? await organizationIds(tx) : [null]
    const ids = await enqueueJobs(
      tx,
      owners.map((owner) => slotJob(type, owner, schedule, slot)),
    )
    const count = ids.filter((id) => id !== null).length
    await noteSlot(tx, schedule.name, slot, count)
    return count
  })
  if (enqueued > 0) await notifyWorkers(engine.database.system, JSON.stringify({ queues: [type.queue] }))
}

function slotJob(type: JobType, organizationId: string | null, schedule: ScheduleRow, slot: Date) {
  return newJob(type, organizationId, schedule.payload, { unique_key: `${schedule.name} ${slot.toISOString()} ${organizationId ?? ''}`.trim() })
}
