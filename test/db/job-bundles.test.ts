import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { Lanes } from '#actors/lanes.ts'
import { claimJobs, leaseJobs, readyLanes } from '#db/job-claims.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import type { Move } from '#db/job-records.ts'
import { readJobWait } from '#db/job-waits.ts'
import { readBacklog } from '#db/queues.ts'
import { rescheduleJob } from '#db/reschedule.ts'
import { inTransaction } from '#db/pool.ts'
import { claim } from '../support/claims.ts'
import { testDatabase, until } from '../support/database.ts'

const QUEUE = 'default'
const HOUR_MS = 3_600_000

const database = await testDatabase()
const db = database.system
let worker = 0
let serial = 0

before(async () => {
  const [row] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}') returning id`,
  )
  worker = row!.id
  await database.owner('insert into queues (name) values ($1)', [QUEUE])
})
beforeEach(() =>
  database.owner('truncate job_queue, job_ready, job_bundles, job_events, job_leases, job_unique, job_counts, job_count_ranges, job_count_exceptions'),
)

const jobs = (count: number, wanted: Partial<NewJob> = {}): NewJob[] =>
  Array.from({ length: count }, () => ({ organization_id: null, job_type: 'PROBE', queue: QUEUE, max_attempts: 3, payload: {}, ...wanted }))

const enqueued = async (wanted: NewJob[]): Promise<number[]> => (await enqueueJobs(db, wanted)).map((id) => id!)
const idsOf = (claimed: readonly ClaimedRow[]): number[] => claimed.map(({ id }) => id)
const sorted = (ids: readonly number[]): number[] => ids.toSorted((one, other) => one - other)
const bundles = (): Promise<{ ids: number[] }[]> =>
  database.owner<{ ids: number[] }>('select job_ids::int[] as ids from job_bundles order by run_after, last_id')
const alone = async (): Promise<number[]> =>
  (await database.owner<{ id: number }>('select job_id::int as id from job_ready order by job_id')).map(({ id }) => id)

const cancellation = (id: number): Move => ({
  id,
  version: 1,
  standing: { state: 'cancelled', context: { attempt: 0, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } },
  transitions: [{ event: 'CANCEL', from: 'queued', to: 'cancelled', attempt: 0, worker: null }],
})
const requeueing = (id: number): Move => ({
  id,
  version: 2,
  standing: { state: 'queued', context: { attempt: 0, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } },
  transitions: [{ event: 'REQUEUE', from: 'cancelled', to: 'queued', attempt: 0, worker: null }],
})

async function assertSound(): Promise<void> {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
}

/** A lease of `limit` jobs of each lane, as a supervisor takes it. */
async function lease(limit: number): Promise<ClaimedRow[]> {
  const lanes = (await readyLanes(db, QUEUE, 100)).map((lane) => ({ ...lane, after_us: lane.head_us, limit }))
  serial += 1
  return lanes.length === 0 ? [] : [...(await leaseJobs(db, { queue: QUEUE, worker, lanes, serial, ended: [] }))]
}

test('many jobs of one call share places, by lane; few have one each, and so has who has a limit or waits for others', async () => {
  const few = await enqueued(jobs(3))
  const many = await enqueued([...jobs(150), ...jobs(60, { priority: 5 })])
  const limited = await enqueued(jobs(30, { limit_key: 'k', limit_max: 2 }))
  await enqueued(jobs(30, { blocked_by: 1 }))
  assert.deepEqual(await alone(), sorted([...few, ...limited]))
  assert.deepEqual(sorted((await bundles()).flatMap(({ ids }) => ids)), many)
  assert.ok((await bundles()).every(({ ids }) => ids.length <= 100))
  const [own] = await database.owner<{ same: boolean }>(
    `select bool_and(job.run_after = bundle.run_after and job.priority = bundle.priority) as same
       from job_bundles bundle cross join unnest(job_ids) as member (id) join job_queue job using (id)`,
  )
  assert.equal(own!.same, true)
  await assertSound()
})

test('a claim takes the jobs of a bundle in their order, and no more than it wants; the rest keeps its turn', async () => {
  const ids = await enqueued(jobs(250))
  assert.deepEqual(idsOf(await claim(db, { queue: QUEUE, worker, limit: 30 })), ids.slice(0, 30))
  assert.deepEqual(idsOf(await lease(120)), ids.slice(30, 150))
  assert.deepEqual(idsOf(await claim(db, { queue: QUEUE, worker, limit: 1_000 })), ids.slice(150))
  assert.deepEqual(await bundles(), [])
  await assertSound()
})

test('a lane of bundles and one of single places take turns by who has waited longest', async () => {
  const first = await enqueued(jobs(40))
  const single = await enqueued(jobs(2))
  const lanes = new Lanes()
  lanes.renew(await readyLanes(db, QUEUE, 10), performance.now())
  const taken: number[] = []
  while (lanes.hasDue(performance.now())) {
    const quotas = lanes.plan(40, performance.now())
    const claimed = await claimJobs(db, { queue: QUEUE, worker, lanes: quotas })
    lanes.learn(quotas, claimed)
    taken.push(...idsOf(claimed))
  }
  assert.deepEqual(taken, [...first, ...single])
})

test('two workers that claim at the same time never receive the same job, and none is left', async () => {
  const ids = await enqueued([...jobs(700), ...jobs(300, { priority: 1 })])
  const taken: number[] = []
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let claimed = await lease(35); claimed.length > 0 || (await bundles()).length > 0; claimed = await lease(35)) taken.push(...idsOf(claimed))
    }),
  )
  assert.deepEqual(sorted(taken), sorted(ids))
  await assertSound()
})

test('a job that is cancelled leaves its bundle, and has a place of its own when it is requeued', async () => {
  const ids = await enqueued(jobs(40))
  const gone = [ids[0]!, ids[7]!, ids[39]!]
  assert.equal((await recordMoves(db, gone.map(cancellation))).size, 3)
  assert.deepEqual(await bundles(), [{ ids: ids.filter((id) => !gone.includes(id)) }])
  await recordMoves(db, [requeueing(ids[39]!)])
  assert.deepEqual(await alone(), [ids[39]])
  await assertSound()
  assert.deepEqual(
    sorted(idsOf(await claim(db, { queue: QUEUE, worker, limit: 100 }))),
    ids.slice(1).filter((id) => id !== ids[7]),
  )
  await assertSound()
})

test('of a bundle whose last job is cancelled nothing is left', async () => {
  const ids = await enqueued(jobs(20))
  await recordMoves(db, ids.slice(0, 19).map(cancellation))
  await recordMoves(db, [cancellation(ids[19]!)])
  assert.deepEqual(await bundles(), [])
})

test('those who cancel jobs of the same bundles at the same time do not wait for each other in a circle', async () => {
  const ids = await enqueued(jobs(400))
  const parts = [0, 1, 2, 3].map((part) => ids.filter((_, at) => at % 4 === part))
  const cancelled = await Promise.all(parts.map((part) => recordMoves(db, part.map(cancellation))))
  assert.equal(
    cancelled.reduce((sum, some) => sum + some.size, 0),
    400,
  )
  await assertSound()
})

test('a job that is put off leaves its bundle, and is due when it was put off to; back again it is claimed once', async () => {
  const ids = await enqueued(jobs(20))
  const [{ at }] = (await database.owner<{ at: string }>('select run_after::text as at from job_queue limit 1')) as [{ at: string }]
  const later = new Date(Date.now() + HOUR_MS).toISOString()
  assert.equal(await inTransaction(db, (tx) => rescheduleJob(tx, ids[4]!, later)), true)
  assert.deepEqual(await alone(), [ids[4]])
  assert.equal(await inTransaction(db, (tx) => rescheduleJob(tx, ids[4]!, at)), true)
  await assertSound()
  assert.deepEqual(sorted(idsOf(await claim(db, { queue: QUEUE, worker, limit: 100 }))), ids)
})

test('a hand that changes the priority of waiting jobs by SQL takes them out of their bundle', async () => {
  const ids = await enqueued(jobs(20))
  await database.owner('update job_queue set priority = 9 where id = any($1)', [ids])
  assert.deepEqual(await bundles(), [])
  assert.deepEqual(await alone(), ids)
  await assertSound()
})

test('a hand that changes the priority of jobs which a worker has under a lease gives them no place', async () => {
  const ids = [...(await enqueued(jobs(2))), ...(await enqueued(jobs(20)))]
  assert.deepEqual(sorted(idsOf(await lease(100))), ids)
  await database.owner('update job_queue set priority = 9 where id = any($1)', [ids])
  assert.deepEqual(await alone(), [])
  assert.deepEqual(await lease(100), [])
  await assertSound()
})

test('nor does a hand that waits for a claim which takes their places at that moment', async () => {
  const ids = [...(await enqueued(jobs(1))), ...(await enqueued(jobs(20)))]
  const lanes = (await readyLanes(db, QUEUE, 100)).map((lane) => ({ ...lane, after_us: lane.head_us, limit: 100 }))
  serial += 1
  let hand: Promise<unknown> = Promise.resolve()
  await db.transaction(async (tx) => {
    await leaseJobs(tx, { queue: QUEUE, worker, lanes, serial, ended: [] })
    hand = database.owner('update job_queue set priority = 9 where id = any($1)', [ids])
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'update job_queue set priority%'`
    await until(async () => (await database.owner(waits)).length > 0, 'the hand waits for the claim')
  })
  await hand
  assert.deepEqual(await alone(), [])
  await assertSound()
})

test('a job that moved on by a hand that knows no bundles is passed over', async () => {
  const ids = await enqueued(jobs(20))
  await database.owner(`update job_queue set status = 'cancelled', version = 2, finished_at = now() where id = $1`, [ids[3]])
  assert.deepEqual(
    idsOf(await lease(100)),
    ids.filter((id) => id !== ids[3]),
  )
  assert.deepEqual(await bundles(), [])
})

test('what waits in bundles counts in the backlog of its queue, and before who comes after', async () => {
  await enqueued(jobs(50))
  const [last] = await enqueued(jobs(1))
  assert.equal((await readBacklog(db, QUEUE))!.waiting, 51)
  assert.equal((await db.transaction((tx) => readJobWait(tx, last!)))!.before, 50)
})

test('whatever is claimed, cancelled and put off, in whatever order: every job is taken once or cancelled, and the log is sound', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enqueue' as const), count: fc.integer({ min: 1, max: 130 }) }),
    fc.record({ kind: fc.constant('claim' as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant('lease' as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant('cancel' as const), count: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant('put off' as const), count: fc.integer({ min: 1, max: 3 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      const waiting = new Set<number>()
      const take = (claimed: readonly ClaimedRow[]) => {
        for (const { id } of claimed) assert.ok(waiting.delete(id), `job ${id} was taken twice, or after its end`)
      }
      for (const { kind, count } of steps) {
        const some = [...waiting].filter((_, at) => at % 3 === 0).slice(0, count)
        if (kind === 'enqueue') for (const id of await enqueued(jobs(count, { priority: count % 2 }))) waiting.add(id)
        if (kind === 'claim') take(await claim(db, { queue: QUEUE, worker, limit: count }))
        if (kind === 'lease') take(await lease(count))
        if (kind === 'cancel') for (const id of await recordMoves(db, some.map(cancellation))) waiting.delete(id)
        if (kind === 'put off') for (const id of some) await inTransaction(db, (tx) => rescheduleJob(tx, id, new Date(Date.now() - HOUR_MS).toISOString()))
      }
      await assertSound()
      take(await claim(db, { queue: QUEUE, worker, limit: 10_000 }))
      assert.equal(waiting.size, 0, 'a job is in no place')
    }),
    { numRuns: 25 },
  )
})
