import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { moveOf } from '#db/job-moves.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import { lockJob, standingOf } from '#db/jobs.ts'
import { registerWorker } from '#db/workers.ts'
import type { JobEvent } from '#machines/job.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { claim } from '../support/claims.ts'
import { testDatabase } from '../support/database.ts'
import { jobPaths, MAX_ATTEMPTS } from '../support/job-paths.ts'

const database = await testDatabase()
const db = database.system
const worker = await registerWorker(db, { name: 'paths', host: 'here', pid: 1, version: '0', queues: [] })

/** Takes one step in PostgreSQL, the way the engine does: CLAIM by its statement, the rest decided and recorded. */
async function stepInDatabase(id: number, queue: string, event: JobEvent): Promise<JobStanding | null> {
  if (event.type === 'CLAIM') {
    const [claimed] = await claim(db, { queue, worker, limit: 1 })
    if (claimed?.id !== id) return null
  } else {
    const row = await lockJob(db, id)
    const move = row && moveOf(row, event)
    if (!move || !(await recordMoves(db, [move])).has(id)) return null
  }
  return standingOf((await lockJob(db, id))!)
}

/** The pure machine knows the worker by the event; the database by its row. */
function comparable({ state, context }: JobStanding): unknown {
  return { state, ...context, delay_ms: Math.round(context.delay_ms), worker: context.worker === null ? null : worker }
}

test('every path of the job machine leads in PostgreSQL where it leads in the machine', async (t) => {
  const paths = jobPaths()
  t.diagnostic(`${paths.length} paths`)
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let at = lane; at < paths.length; at += 8) {
        const path = paths[at]!
        const queue = `path-${at}`
        const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue, max_attempts: MAX_ATTEMPTS, payload: {} }])
        for (const [index, event] of path.events.entries()) {
          const standing = await stepInDatabase(id!, queue, event)
          assert.ok(standing, `${path.name}: ${event.type} at ${index}`)
          assert.deepEqual(comparable(standing), comparable(path.standings[index]!), `${path.name}: after ${event.type} at ${index}`)
        }
        const log = await database.owner('select seq, event, to_state from job_events where job_id = $1 order by seq', [id])
        assert.deepEqual(
          log.map((row) => row['event']),
          ['ENQUEUE', ...path.events.map((event) => event.type)],
        )
      }
    }),
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})

test('what the machine refuses, the recording statement does not write', async () => {
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'refused', max_attempts: 1, payload: {} }])
  const row = (await lockJob(db, id!))!
  for (const event of [{ type: 'START' }, { type: 'SUCCEED' }, { type: 'RELEASE' }, { type: 'REQUEUE' }] as const) assert.equal(moveOf(row, event), null)
})

test('a stale version writes nothing, neither row nor event', async () => {
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'stale', max_attempts: 1, payload: {} }])
  const stale = moveOf((await lockJob(db, id!))!, { type: 'CANCEL' })!
  await claim(db, { queue: 'stale', worker, limit: 1 })
  assert.deepEqual([...(await recordMoves(db, [stale]))], [])
  assert.deepEqual(
    (await database.owner('select event from job_events where job_id = $1 order by seq', [id])).map((row) => row['event']),
    ['ENQUEUE', 'CLAIM'],
  )
})

test('a delayed job is not claimed before its time', async () => {
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'later', max_attempts: 1, payload: {}, delay_ms: 60_000 }])
  assert.deepEqual(await claim(db, { queue: 'later', worker, limit: 1 }), [])
  await database.owner(`update job_queue set run_after = now() where id = $1`, [id])
  assert.equal((await claim(db, { queue: 'later', worker, limit: 1 }))[0]?.id, id)
})

test('a paused queue gives nothing, a worker that is not active receives nothing', async () => {
  await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'paused', max_attempts: 1, payload: {} }])
  await database.owner(`insert into queues (name, paused_at) values ('paused', now())`)
  assert.deepEqual(await claim(db, { queue: 'paused', worker, limit: 1 }), [])
  await database.owner(`update queues set paused_at = null where name = 'paused'`)
  const lost = await registerWorker(db, { name: 'lost', host: 'here', pid: 2, version: '0', queues: [] })
  await database.owner(`update workers set status = 'lost' where id = $1`, [lost])
  assert.deepEqual(await claim(db, { queue: 'paused', worker: lost, limit: 1 }), [])
  assert.equal((await claim(db, { queue: 'paused', worker, limit: 1 })).length, 1)
})

test('two workers never receive the same job', async () => {
  const other = await registerWorker(db, { name: 'other', host: 'here', pid: 3, version: '0', queues: [] })
  await enqueueJobs(
    db,
    Array.from({ length: 300 }, () => ({ organization_id: null, job_type: 'PROBE', queue: 'shared', max_attempts: 1, payload: {} })),
  )
  const received: number[] = []
  await Promise.all(
    [worker, other, worker, other].map(async (claimer) => {
      for (;;) {
        const jobs = await claim(db, { queue: 'shared', worker: claimer, limit: 7 })
        if (jobs.length === 0) return
        received.push(...jobs.map((job) => job.id))
      }
    }),
  )
  assert.equal(received.length, 300)
  assert.equal(new Set(received).size, 300)
})

test('a unique key holds under 50 concurrent enqueuers, and is free again when the job has ended', async () => {
  const job = { organization_id: null, job_type: 'PROBE', queue: 'unique', max_attempts: 1, payload: {}, unique_key: 'once' }
  const ids = (await Promise.all(Array.from({ length: 50 }, () => enqueueJobs(db, [job])))).flat()
  assert.equal(ids.filter((id) => id !== null).length, 1)
  const id = ids.find((one) => one !== null)!
  await recordMoves(db, [moveOf((await lockJob(db, id))!, { type: 'CANCEL' })!])
  assert.notEqual((await enqueueJobs(db, [job]))[0], null)
})

test('the most urgent and oldest job is claimed first', async () => {
  const ids = await enqueueJobs(
    db,
    [0, 5, -5, 5].map((priority) => ({ organization_id: null, job_type: 'PROBE', queue: 'order', max_attempts: 1, payload: {}, priority })),
  )
  const claimed = await claim(db, { queue: 'order', worker, limit: 4 })
  assert.deepEqual(
    claimed.map((job) => job.id),
    [ids[1], ids[3], ids[0], ids[2]],
  )
})

test('rows are parsed by their schema', async () => {
  const { sql } = await import('#db/sql.ts')
  await assert.rejects(db.one(sql.type(z.object({ n: z.string() }))`select 1 as n`))
})
