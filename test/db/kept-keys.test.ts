import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import { moveJob } from '#db/job-moves.ts'
import { recordMoves } from '#db/job-records.ts'
import { jobsWithKeys } from '#db/job-lists.ts'
import { serviceUrls } from '#db/logins.ts'
import { inOrganization, openDatabase } from '#db/pool.ts'
import { registerWorker } from '#db/workers.ts'
import { cleanup } from '#jobs/cleanup.ts'
import { runJob } from '../jobs/run-job.ts'
import { claim } from '../support/claims.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf } from '../support/engine.ts'
import { failureOf, successOf } from '../support/moves.ts'
import { createOrganization } from '../support/people.ts'

const HOUR_MS = 3_600_000
const database = await testDatabase()
const db = database.system
const worker = await registerWorker(db, { name: 'keys', host: 'here', pid: 1, version: '0', queues: [] })

/** A job with a key of its own; its queue is named after it, so that a claim finds it alone. */
function newJob(facts: Partial<NewJob> = {}): NewJob {
  const key = `k-${randomUUID()}`
  return { organization_id: null, job_type: 'PROBE', queue: key, max_attempts: 1, payload: {}, unique_key: key, unique_for_ms: HOUR_MS, ...facts }
}

const enqueue = async (job: NewJob): Promise<number | null> => (await enqueueJobs(db, [job]))[0]!

async function end(job: NewJob, how: 'done' | 'failed'): Promise<void> {
  const [claimed] = await claim(db, { queue: job.queue, worker, limit: 1 })
  const move = how === 'done' ? successOf(claimed!, worker) : failureOf(claimed!, worker)
  const standing = how === 'done' ? move.standing : { ...move.standing, state: 'failed' as const }
  const transitions = move.transitions.map((step) => (step.event === 'FAIL' ? { ...step, to: 'failed' as const } : step))
  assert.equal((await recordMoves(db, [{ ...move, standing, transitions }])).size, 1)
}

const letTimePass = (job: NewJob) => database.owner(`update job_kept_keys set kept_until = now() - interval '1 second' where unique_key = $1`, [job.unique_key])

test('a key that is kept for a period holds under 50 concurrent enqueuers, each on a connection of its own', async () => {
  const crowd = await openDatabase(serviceUrls(database.ownerUrl), { size: 50, name: 'crowd' })
  after(() => crowd.end())
  const job = newJob()
  const ids = (await Promise.all(Array.from({ length: 50 }, () => enqueueJobs(crowd.system, [job])))).flat().filter((id) => id !== null)
  assert.equal(ids.length, 1)
  await end(job, 'done')
  await letTimePass(job)
  const again = (await Promise.all(Array.from({ length: 50 }, () => enqueueJobs(crowd.system, [job])))).flat().filter((id) => id !== null)
  assert.equal(again.length, 1, 'and once more when the period is over')
})

test('it stays taken when its job is done, until its time is over', async () => {
  const job = newJob()
  const id = await enqueue(job)
  assert.equal(await enqueue(job), null, 'while it lives')
  await end(job, 'done')
  assert.equal(await enqueue(job), null, 'when it is done')
  assert.deepEqual(await jobsWithKeys(db, [job]), [id], 'and the refusal names it')
  await letTimePass(job)
  assert.notEqual(await enqueue(job), null)
})

test('it is free at once when its job failed or was cancelled', async () => {
  const failing = newJob()
  await enqueue(failing)
  await end(failing, 'failed')
  assert.notEqual(await enqueue(failing), null)

  const cancelled = newJob()
  const id = await enqueue(cancelled)
  await db.transaction((tx) => moveJob(tx, id!, { type: 'CANCEL' }))
  assert.notEqual(await enqueue(cancelled), null)
})

test('a job that lives keeps its key, however long ago its period was over', async () => {
  const job = newJob()
  await enqueue(job)
  await letTimePass(job)
  assert.equal(await enqueue(job), null)
  await end(job, 'done')
  assert.notEqual(await enqueue(job), null, 'the refused one has taken nothing')
})

test('a job that asks for no period is refused by live jobs alone', async () => {
  const job = newJob()
  const plain = { ...job, unique_for_ms: null }
  await enqueue(job)
  assert.equal(await enqueue(plain), null)
  await end(job, 'done')
  assert.notEqual(await enqueue(plain), null)
  assert.equal(await enqueue(job), null)
})

test('a failed job that is queued again refuses others, and keeps no key that another has got meanwhile', async () => {
  const job = newJob()
  const first = await enqueue(job)
  await end(job, 'failed')
  const second = await enqueue(job)
  assert.equal((await db.transaction((tx) => moveJob(tx, first!, { type: 'REQUEUE' }))).kind, 'key_taken')
  await db.transaction((tx) => moveJob(tx, second!, { type: 'CANCEL' }))
  assert.equal((await db.transaction((tx) => moveJob(tx, first!, { type: 'REQUEUE' }))).kind, 'moved')
  assert.equal(await enqueue(job), null)
})

test('of a batch each job has the key that it asks for, the first of two with one key gets it, and the others are enqueued', async () => {
  const [one, two] = [newJob(), newJob()]
  const taken = newJob()
  await enqueue(taken)
  const plain = newJob({ unique_key: null, unique_for_ms: null })
  const ids = await enqueueJobs(db, [plain, one, taken, two, one, plain])
  assert.deepEqual(
    ids.map((id) => id !== null),
    [true, true, false, true, false, true],
  )
  assert.deepEqual([(await jobOf(database, ids[1]!))['unique_key'], (await jobOf(database, ids[3]!))['unique_key']], [one.unique_key, two.unique_key])
  assert.deepEqual(await jobsWithKeys(db, [one, two]), [ids[1], ids[3]])
})

test('a transaction that is rolled back has taken no key', async () => {
  const job = newJob()
  await assert.rejects(
    db.transaction(async (tx) => {
      assert.notEqual((await enqueueJobs(tx, [job]))[0], null)
      throw new Error('changed my mind')
    }),
    /changed my mind/,
  )
  assert.notEqual(await enqueue(job), null)
})

test('one organisation keeps no key from another, in its own role too', async () => {
  const [one, other] = [await createOrganization(database), await createOrganization(database)]
  const job = newJob()
  const enqueueFor = (organization_id: string) =>
    inOrganization(database.app, organization_id, async (tx) => (await enqueueJobs(tx, [{ ...job, organization_id }]))[0])
  assert.notEqual(await enqueueFor(one.id), null)
  assert.equal(await enqueueFor(one.id), null)
  assert.notEqual(await enqueueFor(other.id), null)
})

test('keys whose time is over go with the cleanup, and the others stay', async () => {
  const [over, kept] = [newJob(), newJob()]
  await enqueueJobs(db, [over, kept])
  await letTimePass(over)
  await runJob(database, cleanup, null, {})
  const rows = await database.owner('select unique_key from job_kept_keys where unique_key = any($1)', [[over.unique_key, kept.unique_key]])
  assert.deepEqual(rows, [{ unique_key: kept.unique_key }])
})

test('jobs without a period leave nothing behind, and ask nothing', async () => {
  const count = async () => (await database.owner<{ n: number }>('select count(*)::int as n from job_kept_keys'))[0]!.n
  const before = await count()
  await enqueueJobs(db, [newJob({ unique_for_ms: null }), newJob({ unique_key: null, unique_for_ms: null })])
  assert.equal(await count(), before)
})
