import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { moveOf } from '#db/job-moves.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { leaseJobs, readyLanes } from '#db/job-claims.ts'
import { endLeases, recordLeases } from '#db/job-leases.ts'
import { recordMoves } from '#db/job-records.ts'
import { lockJob, orphanedJobs } from '#db/jobs.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import type { Move } from '#db/job-records.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { closeRescues, hasUnrescuedWorkers, registerWorker, setWorkerStatus } from '#db/workers.ts'
import type { JobEvent } from '#machines/job.ts'
import { nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { claim } from '../support/claims.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf, timeline } from '../support/engine.ts'

// What the simulation found, in PostgreSQL.

const database = await testDatabase()
const db = database.system
const newWorker = () => registerWorker(db, { name: 'fences', host: 'here', pid: 1, version: '0', queues: [] })
const fault = { class: 'WorkerLost', message: 'gone' }

async function enqueueOne(queue: string, max_attempts = 3): Promise<number> {
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue, max_attempts, payload: {} }])
  return id!
}

/** What the holder of a claim decides, one move an event, as its actor does without asking the database. */
function decisionsOf(worker: number, job: ClaimedRow, events: readonly JobEvent[]): Move[] {
  let version = job.version
  let standing: JobStanding = {
    state: 'claimed',
    context: { attempt: job.attempt, max_attempts: job.max_attempts, delay_ms: 0, worker, last_error: job.last_error },
  }
  return events.map((event) => {
    const next = nextJob(standing, event)!
    const transition = { event: event.type, from: standing.state, to: next.state, attempt: next.context.attempt, worker }
    standing = next
    return { id: job.id, version: version++, standing: next, transitions: [transition] }
  })
}

/** A claim that a fall of the server undoes before it reached the disk. */
async function undoneClaim(queue: string, worker: number): Promise<ClaimedRow> {
  let claimed: ClaimedRow | undefined
  await assert.rejects(
    db.transaction(async (tx) => {
      ;[claimed] = await claim(tx, { queue, worker, limit: 1 })
      throw new Error('the server falls')
    }),
    /the server falls/,
  )
  return claimed!
}

for (const [what, results] of [
  ['a lone move', [1]],
  ['many alike', Array.from({ length: 10 }, (_, at) => at)],
] as const) {
  test(`a worker whose claim was undone writes nothing on another worker's claim of the same version: ${what}`, async () => {
    const queue = `undone-${results.length}`
    const [one, other] = [await newWorker(), await newWorker()]
    const stale: Move[] = []
    for (const _ of results) {
      const id = await enqueueOne(queue)
      const undone = await undoneClaim(queue, one)
      const [started, succeeded] = decisionsOf(one, undone, [{ type: 'START' }, { type: 'SUCCEED' }])
      stale.push({ ...succeeded!, version: started!.version, transitions: [...started!.transitions, ...succeeded!.transitions] })
      const [claimed] = await claim(db, { queue, worker: other, limit: 1 })
      assert.deepEqual([claimed!.id, claimed!.version], [id, undone.version])
    }
    assert.deepEqual([...(await recordMoves(db, stale))], [])
    for (const { id } of stale) assert.deepEqual(await timeline(database, id), ['ENQUEUE queued', 'CLAIM claimed'])
  })
}

/** What the holder of a lease decides: CLAIM, START and SUCCEED as one move. */
function wholeLife(worker: number, job: ClaimedRow, lease: number): Move {
  const context = { attempt: job.attempt, max_attempts: job.max_attempts, delay_ms: 0, worker: null, last_error: job.last_error }
  const claimed = nextJob({ state: job.was, context }, { type: 'CLAIM', worker, waited_ms: 0 })!
  const [started, succeeded] = decisionsOf(worker, { ...job, attempt: claimed.context.attempt }, [{ type: 'START' }, { type: 'SUCCEED' }])
  const claim = { event: 'CLAIM' as const, from: job.was, to: claimed.state, attempt: claimed.context.attempt, worker }
  return { ...succeeded!, version: job.version, transitions: [claim, ...started!.transitions, ...succeeded!.transitions], lease }
}

async function leaseAll(tx: CommonQueryMethods, queue: string, worker: number, serial: number): Promise<readonly ClaimedRow[]> {
  const lanes = (await readyLanes(tx, queue, 10)).map((lane) => ({ ...lane, after_us: lane.head_us, limit: 100 }))
  return leaseJobs(tx, { queue, worker, lanes, serial, ended: [] })
}

for (const jobs of [1, 10]) {
  test(`what was leased is recorded whole in one write; under a lease that was undone, nothing is: ${jobs} job(s)`, async () => {
    const queue = `leased-${jobs}`
    const worker = await newWorker()
    for (let job = 0; job < jobs; job += 1) await enqueueOne(queue)
    let undone: readonly ClaimedRow[] = []
    await assert.rejects(
      db.transaction(async (tx) => {
        undone = await leaseAll(tx, queue, worker, 1)
        throw new Error('the server falls')
      }),
      /the server falls/,
    )
    assert.equal(undone.length, jobs)
    assert.deepEqual(
      [
        ...(await recordMoves(
          db,
          undone.map((job) => wholeLife(worker, job, 1)),
        )),
      ],
      [],
    )
    const leased = await leaseAll(db, queue, worker, 2)
    assert.equal(
      (
        await recordMoves(
          db,
          leased.map((job) => wholeLife(worker, job, 2)),
        )
      ).size,
      jobs,
    )
    for (const { id } of leased) assert.deepEqual(await timeline(database, id), ['ENQUEUE queued', 'CLAIM claimed', 'START running', 'SUCCEED done'])
    await endLeases(db, worker, [2])
    assert.deepEqual(await database.owner('select * from job_leases where worker = $1', [worker]), [])
  })
}

test('the leases of a worker that has ended become claims, but for a job that a hanging transaction hides', async () => {
  const worker = await newWorker()
  const [first, second] = [await enqueueOne('dead'), await enqueueOne('dead')]
  await leaseAll(db, 'dead', worker, 1)
  await setWorkerStatus(db, worker, 'stopped')
  const hanging = new pg.Client({ connectionString: database.ownerUrl })
  await hanging.connect()
  await hanging.query('begin')
  await hanging.query('select from job_queue where id = $1 for update', [second])
  await recordLeases(db, 'ended')
  await closeRescues(db, 0)
  assert.equal(await hasUnrescuedWorkers(db), true)
  assert.deepEqual(
    (await orphanedJobs(db, 10)).map((row) => row.id),
    [first],
  )
  await hanging.end()
  await recordLeases(db, 'ended')
  assert.deepEqual(
    (await orphanedJobs(db, 10)).map((row) => row.id),
    [first, second],
  )
  assert.deepEqual(await database.owner('select * from job_leases where worker = $1', [worker]), [])
  for (const id of [first, second]) await recordMoves(db, [moveOf((await lockJob(db, id))!, { type: 'LOSE', fault, backoff_ms: 0 })!])
  await closeRescues(db, 0)
  assert.equal(await hasUnrescuedWorkers(db), false)
})

test('what a cut-off worker decided after a START that was refused is refused too, and raises no dead job', async () => {
  const worker = await newWorker()
  const id = await enqueueOne('refused', 1)
  const [claimed] = await claim(db, { queue: 'refused', worker, limit: 1 })
  const [start, release] = decisionsOf(worker, claimed!, [{ type: 'START' }, { type: 'RELEASE' }])
  await recordMoves(db, [moveOf((await lockJob(db, id))!, { type: 'LOSE', fault, backoff_ms: 0 })!])
  assert.deepEqual([...(await recordMoves(db, [start!]))], [])
  assert.deepEqual([...(await recordMoves(db, [release!]))], [])
  assert.deepEqual(await timeline(database, id), ['ENQUEUE queued', 'CLAIM claimed', 'LOSE failed'])
})

test('a success after a START that was refused is refused without an error', async () => {
  const worker = await newWorker()
  const id = await enqueueOne('late')
  const [claimed] = await claim(db, { queue: 'late', worker, limit: 1 })
  const [, succeed] = decisionsOf(worker, claimed!, [{ type: 'START' }, { type: 'SUCCEED' }])
  await recordMoves(db, [moveOf((await lockJob(db, id))!, { type: 'LOSE', fault, backoff_ms: 0 })!])
  assert.deepEqual([...(await recordMoves(db, [succeed!]))], [])
})

test('the rescue of a worker is not closed while it holds a job, though a transaction that hangs hides it from the rescuer', async () => {
  const worker = await newWorker()
  const id = await enqueueOne('hidden')
  await claim(db, { queue: 'hidden', worker, limit: 1 })
  await setWorkerStatus(db, worker, 'stopped')
  const hanging = new pg.Client({ connectionString: database.ownerUrl })
  await hanging.connect()
  await hanging.query('begin')
  await hanging.query('select from job_queue where id = $1 for update', [id])
  assert.deepEqual(await orphanedJobs(db, 10), [])
  await closeRescues(db, 0)
  await hanging.end()
  assert.equal(await hasUnrescuedWorkers(db), true)
  assert.deepEqual(
    (await orphanedJobs(db, 10)).map((row) => row.id),
    [id],
  )
  await recordMoves(db, [moveOf((await lockJob(db, id))!, { type: 'LOSE', fault, backoff_ms: 0 })!])
  await closeRescues(db, 0)
  assert.equal(await hasUnrescuedWorkers(db), false)
  assert.equal((await jobOf(database, id))['status'], 'retried')
})

test('after all this the log breaks no rule', async () => {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
