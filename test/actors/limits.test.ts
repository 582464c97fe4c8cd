import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enqueueBatch, enqueueDependent, FailedDependencyError, UnknownDependencyError } from '#db/job-dependencies.ts'
import { moveJob } from '#db/job-moves.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { metrics } from '#metrics.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, jobType, testWorker, timeline, typesOf } from '../support/engine.ts'

const database = await testDatabase()
const statusIs = (id: number, status: string) => async () => (await jobOf(database, id))['status'] === status

/** A kind of job that notes how many of it run at a time. */
function counted(name: string, holdMs: number): { type: JobType; peak: () => number } {
  let running = 0
  let peak = 0
  const type = jobType(
    name,
    async () => {
      running += 1
      peak = Math.max(peak, running)
      await new Promise((resolve) => setTimeout(resolve, holdMs))
      running -= 1
      return { kind: 'succeed' }
    },
    { queue: name.toLowerCase() },
  )
  return { type, peak: () => peak }
}

const allDone = (name: string, count: number) => async () =>
  (await database.owner(`select 1 from job_queue where job_type = $1 and status = 'done'`, [name])).length === count

test('a queue with a limit holds no more jobs than that, over all workers', async () => {
  const { type, peak } = counted('NARROW', 15)
  await database.owner(`insert into queues (name, concurrency) values ('narrow', 3)`)
  await enqueueJobs(
    database.system,
    Array.from({ length: 40 }, () => newJob(type, null, {})),
  )
  const workers = await Promise.all([1, 2, 3].map(() => testWorker(database, { jobTypes: typesOf(type), queues: ['narrow'] })))
  await until(allDone('NARROW', 40), 'all 40 are done')
  await Promise.all(workers.map((worker) => worker.drain()))
  assert.ok(peak() <= 3, `${peak()} ran at a time`)
  assert.ok(peak() >= 2, 'the limit is used')
  assert.deepEqual(await database.owner('select * from job_slots'), [])
})

test('a key with a limit holds no more of its jobs than that, and does not hold up other keys', async () => {
  const { type, peak } = counted('KEYED', 15)
  const job = (limit_key: string) => ({ ...newJob(type, null, {}), limit_key, limit_max: 1 })
  await enqueueJobs(database.system, [
    ...Array.from({ length: 15 }, () => job('one')),
    ...Array.from({ length: 5 }, () => job('other')),
    newJob(type, null, {}),
  ])
  const workers = await Promise.all([1, 2].map(() => testWorker(database, { jobTypes: typesOf(type), queues: ['keyed'] })))
  await until(allDone('KEYED', 21), 'all 21 are done')
  await Promise.all(workers.map((worker) => worker.drain()))
  assert.ok(peak() <= 3, `${peak()} ran at a time: one of each key and one without`)
})

test('a rate limit lets a bucket of jobs through, and then as many as it fills', async () => {
  const { type } = counted('PACED', 0)
  await database.owner(`insert into queues (name, rate_limit, rate_period_seconds, rate_tokens) values ('paced', 10, 4, 10)`)
  await enqueueJobs(
    database.system,
    Array.from({ length: 25 }, () => newJob(type, null, {})),
  )
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['paced'] })
  await until(allDone('PACED', 25), 'all 25 are done')
  await worker.drain()
  const [row] = await database.owner(`select extract(epoch from max(locked) - min(locked))::float8 as seconds from (
    select min(at) as locked from job_events join job_queue on id = job_id where job_type = 'PACED' and event = 'CLAIM' group by job_id) as claims`)
  // 10 at once, 15 more at 10 in 4 seconds: 6 s, less what passed until the worker heard of its first claim.
  assert.ok(Number(row!['seconds']) > 4.8, `25 jobs were claimed within ${String(row!['seconds'])} s`)
})

test('a burst of one organisation does not starve another', async () => {
  const [a, b] = await Promise.all(
    ['burst-a', 'burst-b'].map(async (slug) =>
      String((await database.owner('insert into organizations (slug, name) values ($1, $1) returning id', [slug]))[0]!['id']),
    ),
  )
  const { type } = counted('FAIR', 2)
  await enqueueJobs(
    database.system,
    Array.from({ length: 400 }, () => newJob(type, a!, {})),
  )
  await enqueueJobs(
    database.system,
    Array.from({ length: 20 }, () => newJob(type, b!, {})),
  )
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['fair'] }, { WORKER_CONCURRENCY: '10' })
  await until(
    async () => (await database.owner(`select 1 from job_queue where organization_id = $1 and status = 'done'`, [b])).length === 20,
    'the small organisation is served',
  )
  await worker.drain()
  const before = (
    await database.owner(
      `select 1 from job_queue where organization_id = $1 and status = 'done' and finished_at <= (select max(finished_at) from job_queue where organization_id = $2)`,
      [a, b],
    )
  ).length
  assert.ok(before < 250, `${before} of the other's 400 went before the last of 20`)
})

test('a job waits for those that it depends on, and goes on when the last of them is done', async () => {
  const parents = await enqueueProbes(database, 2, { sleep_ms: 30 })
  const child = await database.system.transaction((tx) => enqueueDependent(tx, newJob(probe, null, {}), parents, 'cancel'))
  assert.deepEqual(await database.owner('select 1 from job_ready where job_id = $1', [child]), [])
  const worker = await testWorker(database)
  await until(statusIs(child!, 'done'), 'the waiting job is done')
  await worker.drain()
  const [row] = await database.owner(
    `select (select min(at) from job_events where job_id = $1 and event = 'CLAIM') >= (select max(finished_at) from job_queue where id = any($2)) as after`,
    [child, parents],
  )
  assert.equal(row!['after'], true)
})

test('where a dependency fails, the waiting job and those behind it are cancelled, or run, as was declared', async () => {
  const failing = (await enqueueJobs(database.system, [newJob(probe, null, { fail_times: 1, permanent: true })]))[0]!
  const [cancelled, behind, runs] = await database.system.transaction(async (tx) => {
    const first = await enqueueDependent(tx, newJob(probe, null, {}), [failing], 'cancel')
    return [
      first!,
      (await enqueueDependent(tx, newJob(probe, null, {}), [first!], 'cancel'))!,
      (await enqueueDependent(tx, newJob(probe, null, {}), [failing], 'run'))!,
    ]
  })
  const cancels = async () => (await metrics.transitions.get()).values.find(({ labels }) => labels.event === 'CANCEL' && labels.from === 'queued')?.value ?? 0
  const before = await cancels()
  const worker = await testWorker(database)
  await until(statusIs(behind, 'cancelled'), 'the cancel reaches the last in the chain')
  await until(statusIs(runs, 'done'), 'the other runs all the same')
  await worker.drain()
  assert.equal((await jobOf(database, failing))['status'], 'failed')
  assert.equal((await jobOf(database, cancelled))['status'], 'cancelled')
  assert.deepEqual(await database.owner('select * from job_dependencies'), [])
  const said = await database.owner(`select details from job_events where event = 'CANCEL' and job_id = any($1) order by job_id`, [[cancelled, behind]])
  assert.deepEqual(
    said.map((row) => (row['details'] as { job_ids: number[] }).job_ids),
    [[failing], [cancelled]],
    'the log names what failed',
  )
  assert.equal(await cancels(), before + 2, 'the metric counts them')
})

test('a dependency that is unknown, or has failed already, is refused', async () => {
  const enqueue = (id: number) => database.system.transaction((tx) => enqueueDependent(tx, newJob(probe, null, {}), [id], 'cancel'))
  await assert.rejects(enqueue(987_654_321), UnknownDependencyError)
  const [row] = await database.owner(`select id from job_queue where status = 'failed' limit 1`)
  await assert.rejects(enqueue(Number(row!['id'])), FailedDependencyError)
})

test('the callback of a batch runs once, when all of its jobs have ended', async () => {
  const jobs = [newJob(probe, null, { sleep_ms: 20 }), newJob(probe, null, {}), newJob(probe, null, { fail_times: 1, permanent: true })]
  const batch = await database.system.transaction((tx) => enqueueBatch(tx, jobs, newJob(probe, null, { marker: 'batch is over' })))
  const worker = await testWorker(database)
  await until(statusIs(batch.callback!, 'done'), 'the callback has run')
  await worker.drain()
  assert.deepEqual(
    (await database.owner('select job_id from probe_effects where marker = $1', ['batch is over'])).map((row) => row['job_id']),
    [String(batch.callback)],
  )
  assert.deepEqual(
    (await timeline(database, batch.callback!)).filter((step) => step.startsWith('SUCCEED')),
    ['SUCCEED done'],
  )
})

test('progress is written while the handler runs, and gone when it has ended', async () => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const type = jobType(
    'LONGISH',
    async (job) => {
      job.progress(0.25, 'a quarter')
      await finished
      return { kind: 'succeed' }
    },
    { queue: 'longish' },
  )
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['longish'] })
  const [id] = await enqueueJobs(database.system, [newJob(type, null, {})])
  await until(async () => (await jobOf(database, id!))['progress'] !== null, 'progress is there')
  assert.deepEqual((await jobOf(database, id!))['progress'], { share: 0.25, note: 'a quarter' })
  finish()
  await until(statusIs(id!, 'done'), 'the job is done')
  await worker.drain()
  assert.equal((await jobOf(database, id!))['progress'], null)
})

test('a waiting job that is cancelled by hand and requeued still waits', async () => {
  const [parent] = await enqueueProbes(database, 1)
  const child = (await database.system.transaction((tx) => enqueueDependent(tx, newJob(probe, null, {}), [parent!], 'cancel')))!
  await database.system.transaction((tx) => moveJob(tx, child, { type: 'CANCEL' }))
  await database.system.transaction((tx) => moveJob(tx, child, { type: 'REQUEUE' }))
  assert.deepEqual(await database.owner('select 1 from job_ready where job_id = $1', [child]), [])
  const worker = await testWorker(database)
  await until(statusIs(child, 'done'), 'it runs after the other')
  await worker.drain()
})

test('after all this the log breaks no rule', async () => {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
