import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differencesOf, replay, ReplayMismatch, replaySteps } from '#machines/replay.ts'
import type { LoggedEvent } from '#machines/replay.ts'
import type { JobEvent } from '#machines/job.ts'
import { findJob, listJobEvents } from '#db/job-lists.ts'
import { moveOf } from '#db/job-moves.ts'
import { replayJob } from '#db/job-replay.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import { lockJob } from '#db/jobs.ts'
import { registerWorker } from '#db/workers.ts'
import { newJob } from '#jobs/job-type.ts'
import { run } from '../cli/program.ts'
import { claim } from '../support/claims.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, jobType, testWorker, timeline, typesOf } from '../support/engine.ts'
import { jobPaths, MAX_ATTEMPTS } from '../support/job-paths.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const db = database.system
/** Has no heart: a worker that beats takes it for dead, so a test that comes after such a one makes another. */
let worker = await registerWorker(db, { name: 'replay', host: 'here', pid: 1, version: '0', queues: [] })
/** Every nth path of the machine goes through PostgreSQL. */
const SAMPLE = 7

const logged = (
  seq: number,
  event: LoggedEvent['event'],
  from_state: LoggedEvent['from_state'],
  to_state: LoggedEvent['to_state'],
  rest: Partial<LoggedEvent> = {},
) => ({
  seq,
  event,
  from_state,
  to_state,
  attempt: seq === 1 ? 0 : 1,
  worker: seq === 1 ? null : 7,
  details: null,
  ...rest,
})
const ERROR = { error: { class: 'TypeError', message: 'broken', stack: 'at somewhere' } }
const LIFE: LoggedEvent[] = [
  logged(1, 'ENQUEUE', null, 'queued'),
  logged(2, 'CLAIM', 'queued', 'claimed'),
  logged(3, 'START', 'claimed', 'running'),
  logged(4, 'FAIL', 'running', 'retried', { details: { ...ERROR, permanent: false } }),
  logged(5, 'CLAIM', 'retried', 'claimed', { attempt: 2, worker: 8 }),
  logged(6, 'START', 'claimed', 'running', { attempt: 2, worker: 8 }),
  logged(7, 'SUCCEED', 'running', 'done', { attempt: 2, worker: 8 }),
]
const limits = { max_attempts: 3 }
const withEvent = (index: number, change: Partial<LoggedEvent>) => LIFE.map((event, at) => (at === index ? { ...event, ...change } : event))

function mismatchOf(events: readonly LoggedEvent[], upTo?: number): { seq: number; logged: string; machine: string } {
  try {
    replay(events, limits, upTo)
  } catch (error) {
    assert.ok(error instanceof ReplayMismatch)
    return { seq: error.seq, logged: error.logged, machine: error.machine }
  }
  throw new Error('the replay found nothing wrong')
}

test('a job is what it was after each of its events', () => {
  assert.deepEqual(replay(LIFE, limits, 1), { seq: 1, state: 'queued', attempt: 0, worker: null, last_error: null })
  assert.deepEqual(replay(LIFE, limits, 3), { seq: 3, state: 'running', attempt: 1, worker: 7, last_error: null })
  assert.deepEqual(replay(LIFE, limits, 4), { seq: 4, state: 'retried', attempt: 1, worker: null, last_error: 'TypeError: broken' })
  assert.deepEqual(replay(LIFE, limits), { seq: 7, state: 'done', attempt: 2, worker: null, last_error: null })
  assert.equal([...replaySteps(LIFE, limits)].length, 7)
})

test('the guards decide in a replay as they did in life: out of attempts, or permanent', () => {
  const final = LIFE.slice(0, 4)
  assert.equal(replay(final.with(3, { ...final[3]!, to_state: 'failed', details: { ...ERROR, permanent: true } }), limits).state, 'failed')
  assert.equal(replay(final.with(3, { ...final[3]!, to_state: 'failed' }), { max_attempts: 1 }).state, 'failed')
  assert.throws(() => replay(final, { max_attempts: 1 }), ReplayMismatch)
})

test('a log that is no path of the machine is named with the event, what the log says and what the machine says', () => {
  assert.deepEqual(mismatchOf(withEvent(2, { event: 'SUCCEED', to_state: 'done' })), { seq: 3, logged: 'SUCCEED', machine: 'claimed knows no SUCCEED' })
  assert.deepEqual(mismatchOf(withEvent(3, { to_state: 'failed' })), {
    seq: 4,
    logged: 'FAIL from running to failed, attempt 1, worker 7',
    machine: 'FAIL from running to retried, attempt 1, worker 7',
  })
  assert.match(mismatchOf(withEvent(4, { attempt: 1 })).machine, /attempt 2/)
  assert.match(mismatchOf(withEvent(5, { worker: 9 })).machine, /worker 8/)
  assert.equal(mismatchOf(withEvent(3, { details: null })).logged, 'FAIL without its error')
  assert.equal(mismatchOf(withEvent(1, { worker: null })).logged, 'CLAIM by nobody')
})

test('a gap, a missing beginning, an empty log and an event beyond the end are mismatches', () => {
  assert.deepEqual(mismatchOf(LIFE.toSpliced(2, 1)), { seq: 3, logged: 'event 4 is the next', machine: 'event 3 comes first' })
  assert.equal(mismatchOf(LIFE.slice(1)).seq, 1)
  assert.equal(mismatchOf([]).seq, 1)
  assert.equal(mismatchOf(LIFE, 8).machine, 'the log ends with event 7')
  assert.equal(mismatchOf([LIFE[0]!, logged(2, 'ENQUEUE', 'queued', 'queued')]).machine, 'a job is enqueued once')
})

test('a row that differs from its log is told field by field', () => {
  const row = { version: 7, status: 'done', attempt: 2, locked_by: null, last_error: null } as const
  assert.deepEqual(differencesOf(row, replay(LIFE, limits)), [])
  assert.deepEqual(differencesOf({ ...row, attempt: 1, status: 'failed' }, replay(LIFE, limits)), [
    { field: 'status', row: 'failed', replay: 'done' },
    { field: 'attempt', row: 1, replay: 2 },
  ])
})

/** Takes one step in PostgreSQL as the engine does, with the details that it keeps. */
async function stepInDatabase(id: number, queue: string, event: JobEvent): Promise<void> {
  if (event.type === 'CLAIM') assert.equal((await claim(db, { queue, worker, limit: 1 }))[0]?.id, id)
  else {
    const details = 'fault' in event ? { error: event.fault, ...(event.type === 'FAIL' ? { permanent: event.permanent } : {}) } : undefined
    await recordMoves(db, [moveOf((await lockJob(db, id))!, event, { details })!])
  }
}

test('the log of every path, replayed, is the row: after each event, and at the end', async (t) => {
  const paths = jobPaths().filter((_, at) => at % SAMPLE === 0)
  t.diagnostic(`${paths.length} paths`)
  for (const [at, path] of paths.entries()) {
    const queue = `replay-${at}`
    const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue, max_attempts: MAX_ATTEMPTS, payload: {} }])
    for (const event of path.events) await stepInDatabase(id!, queue, event)
    const log = await listJobEvents(db, id!, { after: 0, limit: 100 })
    assert.deepEqual(differencesOf((await findJob(db, id!))!, replay(log, { max_attempts: MAX_ATTEMPTS })), [], path.name)
    for (const [index, { state, context }] of path.standings.entries()) {
      const then = replay(log, { max_attempts: MAX_ATTEMPTS }, index + 2)
      assert.deepEqual(
        [then.state, then.attempt, then.last_error, then.worker === null],
        [state, context.attempt, context.last_error, context.worker === null],
        path.name,
      )
    }
  }
})

test('after a worker has run jobs that succeed, fail, are retried and are given up, each row is what its log says', async () => {
  const ids = [
    ...(await enqueueProbes(database, 20, { marker: 'fine' })),
    ...(await enqueueProbes(database, 3, { fail_times: 1 })),
    ...(await enqueueProbes(database, 3, { fail_times: 1, permanent: true })),
  ]
  const working = await testWorker(database, { queues: ['default'] })
  await until(async () => {
    const [row] = await database.owner<{ n: number }>('select count(*)::int as n from job_queue where id = any($1) and finished_at is not null', [ids])
    return row!.n === ids.length
  }, 'all jobs have ended')
  await working.drain()
  for (const id of ids) {
    const { mismatch, differences } = (await replayJob(db, id))!
    assert.deepEqual([mismatch, differences], [null, []])
  }
})

test('an error with half a character, or cut in one, is recorded as a failure, and its replay is the row', async () => {
  const messages = ['half \ud83d a face', `${'x'.repeat(1_999)}\u{1f600}`, `${'x'.repeat(1_992)}\u{1f600}yyyy`]
  const type = jobType(
    'HALF',
    async ({ payload }) => {
      throw new Error(messages[payload as number])
    },
    { max_attempts: 1, queue: 'half' },
  )
  const ids = await enqueueJobs(
    db,
    messages.map((_, index) => newJob(type, null, index)),
  )
  const working = await testWorker(database, { jobTypes: typesOf(type), queues: ['half'] })
  for (const id of ids) {
    await until(async () => (await jobOf(database, id!))['status'] === 'failed', 'the job fails')
    assert.equal((await timeline(database, id!)).at(-1), 'FAIL failed')
    assert.deepEqual((await replayJob(db, id!))!.differences, [])
  }
  await working.drain()
})

const operator = await clientOf(await testServer(database), database, 'operator')
const here = { DATABASE_URL: database.ownerUrl }

async function failedProbe(): Promise<number> {
  worker = await registerWorker(db, { name: 'replay', host: 'here', pid: 1, version: '0', queues: [] })
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'replay-one', max_attempts: 1, payload: {} }])
  for (const event of [
    { type: 'CLAIM', worker, waited_ms: 0 },
    { type: 'START' },
    { type: 'FAIL', fault: { class: 'Error', message: 'no' }, permanent: false, backoff_ms: 0 },
  ] as const)
    await stepInDatabase(id!, 'replay-one', event)
  return id!
}

test('GET /jobs/{id}/replay tells the job after an event, and at the end whether its row matches', async () => {
  const id = await failedProbe()
  const { at, ...then } = (await operator.get(`/jobs/${id}/replay?seq=3`)).body
  assert.ok(Date.parse(at as string))
  assert.deepEqual(then, {
    job_id: id,
    seq: 3,
    last_seq: 4,
    event: 'START',
    state: 'running',
    attempt: 1,
    worker,
    last_error: null,
    matches_row: null,
    differences: [],
    mismatch: null,
  })
  const end = (await operator.get(`/jobs/${id}/replay`)).body
  assert.deepEqual([end.seq, end.state, end.last_error, end.matches_row, end.differences], [4, 'failed', 'Error: no', true, []])
  assert.equal((await operator.get(`/jobs/${id}/replay?seq=5`)).status, 404)
  assert.equal((await operator.get('/jobs/999999999/replay')).status, 404)
})

test('jobs replay prints the fold step by step, and ends with 0', async () => {
  const id = await failedProbe()
  const whole = await run(['jobs', 'replay', String(id)], here)
  assert.equal(whole.code, 0, whole.stderr)
  assert.match(whole.stdout, /1 +ENQUEUE +queued[^]*4 +FAIL +failed +1 +- +Error: no[^]*The row is what its log says\./)
  const then = JSON.parse((await run(['jobs', 'replay', String(id), '--seq', '2', '--json'], here)).stdout) as Record<string, unknown>
  assert.deepEqual([then['matches_row'], (then['steps'] as unknown[]).length], [null, 2])
})

test('a row that a hand has changed is found by the replay, over HTTP and on the command line', async () => {
  const id = await failedProbe()
  await database.owner(`update job_queue set last_error = 'another', attempt = 0 where id = $1`, [id])
  const { body } = await operator.get(`/jobs/${id}/replay`)
  assert.equal(body.matches_row, false)
  assert.deepEqual(body.differences, [
    { field: 'attempt', row: 0, replay: 1 },
    { field: 'last_error', row: 'another', replay: 'Error: no' },
  ])
  const told = await run(['jobs', 'replay', String(id)], here)
  assert.equal(told.code, 1)
  assert.match(told.stdout, /differs from its log in attempt: 0 in the row, 1 by the log/)
  await database.owner(`update job_queue set last_error = 'Error: no', attempt = 1 where id = $1`, [id])
  assert.equal((await jobOf(database, id))['attempt'], 1)
})

test('a log that a hand has changed is found, with the event at which it leaves the machine', async () => {
  const id = await failedProbe()
  await database.owner(`update job_events set attempt = 3 where job_id = $1 and seq = 3`, [id])
  const { body } = await operator.get(`/jobs/${id}/replay`)
  assert.equal(body.matches_row, false)
  assert.equal(body.seq, 2)
  assert.equal(body.mismatch.seq, 3)
  assert.match(body.mismatch.machine, /attempt 1/)
  assert.equal((await run(['jobs', 'replay', String(id)], here)).code, 1)
})
