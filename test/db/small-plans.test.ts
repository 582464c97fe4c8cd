import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lanes } from '#actors/lanes.ts'
import { claimJobs, readyLanes } from '#db/job-claims.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import { claim } from '../support/claims.ts'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { failureOf, successOf } from '../support/moves.ts'
import { explain } from '../support/plans.ts'
import type { Plan } from '../support/plans.ts'

const BATCH = 500
const WORK = { queue: 'default', limit: BATCH }

/**
 * The statistics of a moment in which nothing was held and nothing had ended: by them, held jobs are rare. In a table that
 * is small enough to be read as a whole, that has led to every held job being compared with every move of the batch.
 */
for (const waiting of [1_000, 5_000, 20_000]) {
  test(`with ${waiting} waiting jobs a batch is claimed and recorded without comparing each with each`, async () => {
    const database = await testDatabase()
    const worker = await fill(database, waiting)
    const lanes = new Lanes()
    lanes.renew(await readyLanes(database.system, WORK.queue, 1), performance.now())
    const quotas = lanes.plan(BATCH, performance.now())
    assertLinear(await explain(database.system, (db) => claimJobs(db, { queue: WORK.queue, worker, lanes: quotas })), waiting)

    const held = await claim(database.system, { ...WORK, worker })
    for (const moveOf of [successOf, failureOf]) {
      const moves = held.map((job) => moveOf(job, worker))
      assertLinear(await explain(database.system, (db) => recordMoves(db, moves)), waiting)
    }
  })
}

async function fill(database: TestDatabase, waiting: number): Promise<number> {
  const [worker] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}') returning id`,
  )
  for (let at = 0; at < waiting; at += BATCH) {
    await enqueueJobs(
      database.system,
      Array.from({ length: BATCH }, () => ({ organization_id: null, job_type: 'PROBE', queue: WORK.queue, max_attempts: 3, payload: {} })),
    )
  }
  await database.owner('vacuum analyze')
  return worker!.id
}

/** A small table may be read as a whole, once or twice; a batch may not be multiplied with it. */
function assertLinear(plan: Plan, waiting: number): void {
  const most = 4 * (waiting + BATCH)
  for (const table of ['job_queue', 'job_ready']) assert.ok(plan.rowsRead(table) <= most, `${plan.rowsRead(table)} rows of ${table} are read, of ${waiting}`)
  assert.ok(plan.triedInVain <= most, `${plan.triedInVain} pairs are tried in vain`)
}
