import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { Lanes } from '#actors/lanes.ts'
import { claimJobs, readyLanes } from '#db/job-claims.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { sql } from '#db/sql.ts'
import { registerWorker } from '#db/workers.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { nextJob } from '#machines/job-step.ts'
import type { QuerySqlToken } from 'slonik'
import { z } from 'zod'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

const JOBS = 20_000
const ROUNDS = 5
const BATCH = 500
/** The bound on what the open transaction may add to a claim. */
const TIMES_MAX = 3

const database = await testDatabase()

test('while a transaction of another session stays open, 20,000 jobs are drained and the claims of the last round touch no more pages than thrice those of the first', async (t) => {
  const worker = await registerWorker(database.system, { name: 'drain', host: 'test', pid: process.pid, version: '0', queues: ['default'] })
  const idler = new pg.Client({ connectionString: database.ownerUrl })
  await idler.connect()
  t.after(() => idler.end())
  // It has a snapshot of before everything: nothing that is deleted from now on may be cleaned away.
  await idler.query('begin isolation level repeatable read')
  await idler.query('select count(*) from job_queue')

  const lanes = new Lanes()
  const pages: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (let at = 0; at < JOBS / ROUNDS; at += BATCH) await enqueueBatch(database)
    lanes.renew(await readyLanes(database.system, 'default', 100), performance.now())
    pages.push(await pagesOfClaim(database, lanes, worker))
    for (let at = 0; at < JOBS / ROUNDS; at += BATCH) assert.equal(await drainBatch(database, lanes, worker), BATCH)
  }

  assert.equal((await database.owner(`select 1 from job_queue where status = 'done'`)).length, JOBS)
  assert.ok(pages[0]! > 0)
  assert.ok(pages.at(-1)! <= TIMES_MAX * pages[0]!, `shared buffers that the claims of the rounds touched: ${pages.join(', ')}`)
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
  await idler.query('rollback')
})

async function enqueueBatch(database: TestDatabase): Promise<void> {
  await enqueueJobs(
    database.system,
    Array.from({ length: BATCH }, () => newJob(probe, null, {})),
  )
}

/** Claims a batch as a supervisor does, and records each job as done. */
async function drainBatch(database: TestDatabase, lanes: Lanes, worker: number): Promise<number> {
  const quotas = lanes.plan(BATCH, performance.now())
  const jobs = await claimJobs(database.system, { queue: 'default', worker, lanes: quotas })
  lanes.learn(quotas, jobs)
  return (
    await recordMoves(
      database.system,
      jobs.map((job) => successOf(job, worker)),
    )
  ).size
}

function successOf(job: ClaimedRow, worker: number) {
  const claimed = {
    state: 'claimed' as const,
    context: { attempt: job.attempt, max_attempts: job.max_attempts, delay_ms: 0, worker, last_error: null },
  }
  const running = nextJob(claimed, { type: 'START' })!
  const done = nextJob(running, { type: 'SUCCEED' })!
  const step = { attempt: job.attempt, worker }
  return {
    id: job.id,
    version: job.version,
    standing: done,
    transitions: [
      { ...step, event: 'START' as const, from: 'claimed' as const, to: 'running' as const },
      { ...step, event: 'SUCCEED' as const, from: 'running' as const, to: 'done' as const },
    ],
  }
}

const plan = z.object({ 'QUERY PLAN': z.tuple([z.object({ Plan: z.object({ 'Shared Hit Blocks': z.number(), 'Shared Read Blocks': z.number() }) })]) })

/** Takes back what EXPLAIN ANALYZE has really done. */
class Undone extends Error {}

/** Shared buffers that the next claim touches, by EXPLAIN of the very statement. */
async function pagesOfClaim(database: TestDatabase, lanes: Lanes, worker: number): Promise<number> {
  let pages = 0
  const any = async (claim: QuerySqlToken): Promise<readonly ClaimedRow[]> => {
    await database.system
      .transaction(async (tx) => {
        const {
          'QUERY PLAN': [{ Plan: top }],
        } = await tx.one(sql.type(plan)`explain (analyze, buffers, format json) ${claim}`)
        pages = top['Shared Hit Blocks'] + top['Shared Read Blocks']
        throw new Undone()
      })
      .catch((error: unknown) => {
        if (!(error instanceof Undone)) throw error
      })
    return []
  }
  await claimJobs({ any } as unknown as CommonQueryMethods, { queue: 'default', worker, lanes: lanes.plan(BATCH, performance.now()) })
  return pages
}
