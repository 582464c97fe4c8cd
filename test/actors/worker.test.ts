import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from '#actors/worker.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { moveJob } from '#db/job-moves.ts'
import { notifyWorkers } from '#db/jobs.ts'
import { insertProbeEffect } from '#db/probe-effects.ts'
import { newJob, PermanentFailure } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, jobType, testWorker, timeline, typesOf } from '../support/engine.ts'

const database = await testDatabase()
const statusIs = (id: number, status: string) => async () => (await jobOf(database, id))['status'] === status

async function run(type: JobType, work: (id: number) => Promise<void>, payload: unknown = {}): Promise<void> {
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: [type.queue] })
  const [id] = await enqueueJobs(database.system, [newJob(type, null, payload)])
  try {
    await work(id!)
  } finally {
    await worker.drain()
  }
}

test('a worker runs one job after another and goes on', async () => {
  const worker = await testWorker(database)
  const first = await enqueueProbes(database, 60, { marker: 'first' })
  await until(async () => (await database.owner(`select 1 from job_queue where status = 'done'`)).length === 60, 'first 60 jobs are done')
  const second = await enqueueProbes(database, 60)
  await until(async () => (await database.owner(`select 1 from job_queue where status = 'done'`)).length === 120, 'another 60 jobs are done')
  await worker.drain()
  assert.deepEqual(await timeline(database, second[0]!), ['ENQUEUE queued', 'CLAIM claimed', 'START running', 'SUCCEED done'])
  const effects = await database.owner('select job_id, count(*)::int as n from probe_effects group by job_id')
  assert.equal(effects.length, 60)
  assert.ok(effects.every((row) => row['n'] === 1))
  assert.equal((await jobOf(database, first[0]!))['locked_by'], null)
})

test('a failing job is retried with back-off and its error is kept, until it succeeds', async () => {
  const type = { ...probe, backoff: { base_ms: 20, factor: 2, max_ms: 100, jitter: 0 } } as JobType
  await run(
    type,
    async (id) => {
      await until(statusIs(id, 'done'), 'the third attempt succeeds')
      assert.deepEqual(await timeline(database, id), [
        'ENQUEUE queued',
        'CLAIM claimed',
        'START running',
        'FAIL retried',
        'CLAIM claimed',
        'START running',
        'FAIL retried',
        'CLAIM claimed',
        'START running',
        'SUCCEED done',
      ])
      const [failure] = await database.owner(
        `select details -> 'error' ->> 'message' as message from job_events where job_id = $1 and event = 'FAIL' order by seq limit 1`,
        [id],
      )
      assert.equal(failure!['message'], 'asked to fail attempt 1 of 2')
      assert.equal((await jobOf(database, id))['attempt'], 3)
    },
    { fail_times: 2 },
  )
})

test('a job that is out of attempts fails, and REQUEUE runs it again from the start', async () => {
  let broken = true
  const type = jobType('FRAGILE', async () => {
    if (broken) throw new TypeError('broken')
    return { kind: 'succeed', result: 'whole' }
  })
  await run(type, async (id) => {
    await until(statusIs(id, 'failed'), 'attempts are used up')
    assert.equal((await jobOf(database, id))['last_error'], 'TypeError: broken')
    broken = false
    const answer = await database.system.transaction((tx) => moveJob(tx, id, { type: 'REQUEUE' }, { by: 'test' }))
    assert.equal(answer.kind, 'moved')
    await until(statusIs(id, 'done'), 'the requeued job is done')
    assert.equal((await jobOf(database, id))['attempt'], 1)
  })
})

test('a job that failed here, or asked to be called again, is due when it says, and waits for no poll', async () => {
  const type = jobType(
    'AGAIN',
    async ({ attempt }) => {
      calls += 1
      if (calls === 1) return { kind: 'snooze', delay_ms: 40 }
      if (attempt < 3) throw new Error('once more')
      return { kind: 'succeed' }
    },
    { queue: 'again', backoff: { base_ms: 40, factor: 1, max_ms: 40, jitter: 0 } },
  )
  let calls = 0
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['again'] }, { POLL_MS: '60000' })
  const [id] = await enqueueJobs(database.system, [newJob(type, null, {})])
  await notifyWorkers(database.system, JSON.stringify({ queues: ['again'] }))
  await until(statusIs(id!, 'done'), 'it is done')
  await worker.drain()
  const [{ ms }] = (await database.owner(`select (extract(epoch from finished_at - created_at) * 1000)::float8 as ms from job_queue where id = $1`, [id])) as [
    { ms: number },
  ]
  assert.equal(calls, 4)
  assert.ok(ms < 50_000, `three times put off, by 40 ms: it took ${ms} ms, and a poll comes each 60 s`)
})

test('a permanent failure is not retried', async () => {
  const type = jobType('HOPELESS', async () => {
    throw new PermanentFailure('never')
  })
  await run(type, async (id) => {
    await until(statusIs(id, 'failed'), 'the job fails at once')
    assert.equal((await jobOf(database, id))['attempt'], 1)
  })
})

test('a probe that is to fail for good does, with no number of times as well', async () => {
  const worker = await testWorker(database)
  const [often, once] = [
    (await enqueueProbes(database, 1, { permanent: true, marker: 'never' }))[0]!,
    (await enqueueProbes(database, 1, { permanent: true, fail_times: 1 }))[0]!,
  ]
  for (const id of [often, once]) {
    await until(statusIs(id, 'failed'), 'it fails at its first attempt')
    assert.equal((await jobOf(database, id))['attempt'], 1)
  }
  await worker.drain()
  assert.deepEqual(await database.owner('select from probe_effects where job_id = $1', [often]), [])
})

test('a handler that throws what is no error, or answers what is no JSON, yields a recorded failure and the worker goes on', async () => {
  let calls = 0
  const type = jobType(
    'ODD',
    async () => {
      calls += 1
      // oxlint-disable-next-line no-throw-literal
      if (calls === 1) throw 'a string\0with a NUL'
      if (calls === 2) return { kind: 'succeed', result: 'a NUL \0 that jsonb refuses' }
      return { kind: 'succeed', result: 'fine' }
    },
    { max_attempts: 5 },
  )
  await run(type, async (id) => {
    await until(statusIs(id, 'done'), 'the third attempt succeeds')
    assert.equal((await timeline(database, id)).filter((step) => step === 'FAIL retried').length, 2)
  })
})

test('a payload that its type refuses fails for good, and says why', async () => {
  const worker = await testWorker(database, { jobTypes: typesOf(probe) })
  const [id] = await enqueueJobs(database.system, [
    { organization_id: null, job_type: 'PROBE', queue: 'default', max_attempts: 3, payload: { sleep_ms: 'long' } },
  ])
  await until(statusIs(id!, 'failed'), 'the job fails')
  assert.match(String((await jobOf(database, id!))['last_error']), /PermanentFailure: payload: sleep_ms/)
  await worker.drain()
})

test('a job that takes too long is timed out, its signal aborted', async () => {
  let aborted = false
  const type = jobType(
    'SLOW',
    async ({ signal }) => {
      await once(signal, 'abort')
      aborted = true
      throw signal.reason
    },
    { timeout_ms: 60, max_attempts: 1 },
  )
  await run(type, async (id) => {
    await until(statusIs(id, 'failed'), 'the job is timed out')
    assert.ok(aborted)
    assert.deepEqual((await timeline(database, id)).slice(-1), ['TIMEOUT failed'])
    assert.match(String((await jobOf(database, id))['last_error']), /Timeout: did not end within 60 ms/)
  })
})

test('CANCEL of a running job aborts its handler first, then records it; its writes do not commit', async () => {
  let sawAbort = false
  const type = jobType('LONG', async ({ id, attempt, signal }) => {
    await once(signal, 'abort').then(() => (sawAbort = true))
    await pause(5)
    signal.throwIfAborted()
    return { kind: 'succeed', writes: (tx) => insertProbeEffect(tx, { job_id: id, attempt, marker: 'must not be', organization_id: null }) }
  })
  await run(type, async (id) => {
    await until(statusIs(id, 'running'), 'the job runs')
    assert.equal((await database.system.transaction((tx) => moveJob(tx, id, { type: 'CANCEL' }))).kind, 'requested')
    await until(statusIs(id, 'cancelled'), 'the job is cancelled')
    assert.ok(sawAbort)
    assert.deepEqual(await database.owner('select 1 from probe_effects where job_id = $1', [id]), [])
  })
})

test('SNOOZE puts the job back for later without counting an attempt', async () => {
  let calls = 0
  const type = jobType('PATIENT', async () => {
    calls += 1
    return calls === 1 ? { kind: 'snooze', delay_ms: 30 } : { kind: 'succeed' }
  })
  await run(type, async (id) => {
    await until(statusIs(id, 'done'), 'the second call succeeds')
    assert.equal((await jobOf(database, id))['attempt'], 1)
    assert.ok((await timeline(database, id)).includes('SNOOZE queued'))
  })
})

for (const [durable, where] of [
  ['each', 'before its handler begins, and so is the claim'],
  ['batch', 'when the next statement is written, at the latest with the outcome'],
] as const) {
  test(`with durable: ${durable} START is in the database ${where}`, async () => {
    let found: string[] | null = null
    const type = jobType(
      `DURABLE_${durable.toUpperCase()}`,
      async ({ id }) => {
        found = await timeline(database, id)
        return { kind: 'succeed' }
      },
      { durable },
    )
    await run(type, async (id) => {
      await until(statusIs(id, 'done'), 'it is done')
      const whole = ['ENQUEUE queued', 'CLAIM claimed', 'START running', 'SUCCEED done']
      assert.deepEqual(await timeline(database, id), whole)
      if (durable === 'each') assert.deepEqual(found, whole.slice(0, 3))
      else assert.deepEqual(found, whole.slice(0, found!.length))
    })
  })
}

test('writes that fail undo themselves and count as a failed attempt', async () => {
  const type = jobType(
    'CLUMSY',
    async ({ id, attempt }) => ({
      kind: 'succeed',
      writes: async (tx) => {
        await insertProbeEffect(tx, { job_id: id, attempt, marker: `attempt ${attempt}`, organization_id: null })
        if (attempt === 1) throw new Error('after the write')
      },
    }),
    { max_attempts: 2 },
  )
  await run(type, async (id) => {
    await until(statusIs(id, 'done'), 'the second attempt succeeds')
    assert.deepEqual(
      (await database.owner('select marker from probe_effects where job_id = $1', [id])).map((row) => row['marker']),
      ['attempt 2'],
    )
  })
})

test('drain finishes what ends in time and gives the rest back', async () => {
  const mayEnd = Promise.withResolvers<void>()
  const type = jobType(
    'DRAINED',
    async ({ payload, signal }) => {
      await (payload === 'long' ? once(signal, 'abort') : mayEnd.promise)
      signal.throwIfAborted()
      return { kind: 'succeed' }
    },
    { queue: 'drained' },
  )
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['drained'] }, { DRAIN_MS: '5000' })
  const [quick, long] = await enqueueJobs(database.system, [newJob(type, null, 'quick'), newJob(type, null, 'long')])
  await until(statusIs(quick!, 'running'), 'the quick job runs')
  await until(statusIs(long!, 'running'), 'the long job runs')
  const drained = worker.drain()
  mayEnd.resolve()
  await drained
  assert.equal((await jobOf(database, quick!))['status'], 'done')
  const back = await jobOf(database, long!)
  assert.deepEqual([back['status'], back['attempt']], ['queued', 0])
  assert.deepEqual((await timeline(database, long!)).slice(-1), ['RELEASE queued'])
  await database.system.transaction((tx) => moveJob(tx, long!, { type: 'CANCEL' }))
})

test('jobs that were claimed ahead go back when the runs before them are slow, and another worker does them', async () => {
  const gate = Promise.withResolvers<void>()
  const type = jobType(
    'GATED',
    async ({ payload }) => {
      if (payload === 'slow') await gate.promise
      return { kind: 'succeed' }
    },
    { queue: 'gated' },
  )
  const enqueue = async (count: number, payload: string) =>
    (
      await enqueueJobs(
        database.system,
        Array.from({ length: count }, () => newJob(type, null, payload)),
      )
    ).map((id) => id!)
  const countOf = async (ids: readonly number[], status: string) =>
    (await database.owner('select from job_queue where id = any($1) and status = $2', [ids, status])).length
  const options = { jobTypes: typesOf(type), queues: ['gated'] }
  const first = await testWorker(database, options, { WORKER_CONCURRENCY: '2' })
  let second: Worker | null = null
  try {
    const quick = await enqueue(300, 'quick')
    await until(async () => (await countOf(quick, 'done')) === 300, 'the worker has learned that runs are quick')
    const slow = await enqueue(12, 'slow')
    const released = async () => (await database.owner(`select from job_events where job_id = any($1) and event = 'RELEASE'`, [slow])).length
    await until(async () => (await released()) === 10, 'all but the two that run go back')
    assert.deepEqual([await countOf(slow, 'running'), await countOf(slow, 'queued')], [2, 10])
    second = await testWorker(database, options, { WORKER_CONCURRENCY: '10' })
    await until(async () => (await countOf(slow, 'running')) === 12, 'the other worker runs them')
    gate.resolve()
    await until(async () => (await countOf(slow, 'done')) === 12, 'all are done')
    assert.deepEqual(await database.owner(`select from job_queue where id = any($1) and attempt <> 1`, [slow]), [], 'what was given back counts as no attempt')
  } finally {
    gate.resolve()
    await Promise.all([first.drain(), second?.drain()])
  }
})

test('a worker that is taken for dead loses its jobs, writes nothing more, and comes back under a new id', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  let attempts = 0
  const type = jobType(
    'STUBBORN',
    async ({ id, attempt }) => {
      attempts += 1
      if (attempts === 1) await held
      return {
        kind: 'succeed',
        result: attempt,
        writes: (tx) => insertProbeEffect(tx, { job_id: id, attempt, marker: `attempt ${attempt}`, organization_id: null }),
      }
    },
    { queue: 'stubborn' },
  )
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['stubborn'] })
  const before = worker.id
  const [id] = await enqueueJobs(database.system, [newJob(type, null, {})])
  await until(() => attempts === 1, 'the first attempt runs')
  await database.owner(`update workers set status = 'lost' where id = $1`, [before])
  await until(async () => (await timeline(database, id!)).includes('LOSE retried'), 'the job is rescued')
  await until(statusIs(id!, 'done'), 'the second attempt succeeds')
  release()
  await worker.drain()
  assert.notEqual(worker.id, before)
  assert.deepEqual(
    (await database.owner('select marker from probe_effects where job_id = $1', [id])).map((row) => row['marker']),
    ['attempt 2'],
  )
})

test('a worker whose jobs all write at once still beats', async () => {
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const type = jobType('WRITE', async () => ({ kind: 'succeed', writes: () => released }), { queue: 'writes' })
  const worker = await testWorker(database, { jobTypes: typesOf(type), queues: ['writes'] }, { WORKER_LOST_MS: '60000' })
  const jobs = await enqueueJobs(
    database.system,
    Array.from({ length: 20 }, () => newJob(type, null, {})),
  )
  const running = async () =>
    (await database.owner(`select count(*)::int as n from job_queue where job_type = 'WRITE' and status = 'running'`))[0]!['n'] as number
  const beat = async () => String((await database.owner(`select heartbeat_at::text as at from workers where id = $1`, [worker.id]))[0]!['at'])
  try {
    await until(async () => (await running()) === jobs.length, 'all have begun')
    const last = await beat()
    await until(async () => (await beat()) !== last, 'another heartbeat')
    release()
    await until(async () => (await running()) === 0, 'all have ended')
  } finally {
    release()
    await worker.drain()
  }
})

test('schedules: each slot once, whatever the number of workers', async () => {
  const type = jobType('TICK', async () => ({ kind: 'succeed' }), { queue: 'ticks' })
  const schedules = [{ name: 'every-second', job_type: 'TICK', cron: '* * * * * *', payload: {}, per_organization: false }]
  const workers = await Promise.all([1, 2, 3].map(() => testWorker(database, { jobTypes: typesOf(type), queues: ['ticks'], schedules })))
  await until(async () => (await database.owner(`select 1 from job_queue where job_type = 'TICK' and status = 'done'`)).length >= 2, 'two slots have run')
  await Promise.all(workers.map((worker) => worker.drain()))
  // The workers of other tests do not know its type.
  await database.owner(`update schedules set is_active = false where name = 'every-second'`)
  const [row] = await database.owner(
    `select count(*)::int as slots, sum(enqueued)::int as jobs, (select count(*)::int from job_queue where job_type = 'TICK') as rows from schedule_slots`,
  )
  assert.equal(row!['jobs'], row!['slots'])
  assert.equal(row!['rows'], row!['slots'])
})

test('the actor tree shows supervisors, services and jobs', async () => {
  const worker = await testWorker(database)
  const [id] = await enqueueProbes(database, 1, { sleep_ms: 60_000 })
  await until(
    async () => JSON.stringify(await database.owner('select actor_tree from workers where id = $1', [worker.id])).includes(`job:${id}`),
    'the tree names the job',
  )
  const tree = worker.tree() as { id: string; state: string; children: { id: string }[] }
  assert.equal(tree.state, 'working')
  for (const child of ['heartbeat', 'rescuer', 'scheduler', 'listener', 'queue:default'])
    assert.ok(
      tree.children.some((node) => node.id === child),
      child,
    )
  await worker.drain()
  await database.system.transaction((tx) => moveJob(tx, id!, { type: 'CANCEL' }))
})

test('after all this the log breaks no rule', async () => {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
