import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newestDueSlot } from '#actors/scheduler.ts'
import { testDatabase, until } from '../support/database.ts'
import { jobType, testWorker, typesOf } from '../support/engine.ts'

const database = await testDatabase()
const MINUTE_MS = 60_000
const at = (text: string) => new Date(`2026-03-01T${text}Z`)

test('of the slots that passed meanwhile the newest alone is due, none twice, and none before its time', () => {
  const cron = '*/5 * * * *'
  assert.deepEqual(newestDueSlot({ cron, last_slot: at('10:00:00'), now: at('10:59:59') }), at('10:55:00'))
  assert.deepEqual(newestDueSlot({ cron, last_slot: at('10:55:00'), now: at('11:00:00') }), at('11:00:00'))
  assert.equal(newestDueSlot({ cron, last_slot: at('10:55:00'), now: at('10:59:59') }), null)
  assert.equal(newestDueSlot({ cron, last_slot: null, now: at('10:57:00') }), null, 'a new schedule begins with its next slot')
})

test('whenever it is asked, the slot is a multiple of the period, after the last one and not ahead, and no newer one has passed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5_000 }),
      fc.integer({ min: 0, max: 300 * MINUTE_MS }),
      fc.constantFrom(1, 5, 15, 30),
      (lastSlot, elapsedMs, every) => {
        const last = new Date(at('00:00:00').getTime() + lastSlot * every * MINUTE_MS)
        const now = new Date(last.getTime() + elapsedMs)
        const slot = newestDueSlot({ cron: `*/${every} * * * *`, last_slot: last, now })
        const newest = Math.floor(now.getTime() / (every * MINUTE_MS)) * every * MINUTE_MS
        assert.equal(slot?.getTime() ?? null, newest > last.getTime() ? newest : null)
      },
    ),
  )
})

test('after an outage of hours one job makes up for all the slots that passed, by whichever of several workers', async () => {
  const type = jobType('HOURLY', async () => ({ kind: 'succeed' }), { queue: 'hours' })
  const schedule = { name: 'hourly', job_type: 'HOURLY', cron: '0 * * * *', payload: {}, per_organization: false }
  const options = { jobTypes: typesOf(type), queues: ['hours'], schedules: [schedule] }
  const first = await testWorker(database, options)
  await first.drain()
  await database.owner(`delete from job_queue where job_type = 'HOURLY'`)
  await database.owner(`delete from schedule_slots where schedule_name = 'hourly'`)
  await database.owner(`update schedules set last_slot = date_trunc('hour', now()) - interval '12 hours' where name = 'hourly'`)
  const workers = await Promise.all([1, 2, 3].map(() => testWorker(database, options)))
  const rows = () =>
    database.owner<{ slot: Date; late: boolean }>(`select slot, slot < date_trunc('hour', now()) as late from schedule_slots where schedule_name = 'hourly'`)
  await until(async () => (await database.owner(`select from job_queue where job_type = 'HOURLY' and status = 'done'`)).length > 0, 'it has run')
  await Promise.all(workers.map((worker) => worker.drain()))
  const slots = await rows()
  // A second one only where the hour turned meanwhile.
  assert.equal(slots.filter(({ late }) => !late).length <= 1 && slots.length <= 2, true, JSON.stringify(slots))
  assert.equal((await database.owner(`select from job_queue where job_type = 'HOURLY'`)).length, slots.length)
})
