import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { byStatus, countEveryJob, forgetJobCounts, readJobCounts, settleJobCounts } from '#db/job-counts.ts'
import type { JobCount } from '#db/job-counts.ts'
import { moveJob } from '#db/job-moves.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { removeOldJobs } from '#db/retention.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'

const database = await testDatabase()
const { system } = database
const organization = await createOrganization(database)
const RANGE = 5_000

/** Finished jobs, written behind the machine's back as only the owner may: `live` of a thousand are queued. */
async function fill(jobs: number, live = 0): Promise<void> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await client.query(
    `insert into job_queue (organization_id, job_type, queue, status, attempt, max_attempts, finished_at)
     select case when n % 2 = 0 then $2::uuid end, case when n % 5 = 0 then 'PROBE' else 'SENTIMENT_ANALYSIS' end, 'default', state, 0, 3, case when state <> 'queued' then now() end
       from generate_series(1, $1::int) as n cross join lateral (
         select (case when n % 1000 < $3 then 'queued' when n % 100 = 0 then 'failed' when n % 77 = 0 then 'cancelled' else 'done' end)::job_status as state) as chosen`,
    [jobs, organization.id, live],
  )
  await client.query(
    `insert into job_ready (queue, tenant, priority, run_after, job_id, state)
     select queue, coalesce(organization_id, '00000000-0000-0000-0000-000000000000'), priority, run_after, id, status from job_queue where status = 'queued' on conflict do nothing`,
  )
  await client.end()
}

async function settleAll(): Promise<number> {
  let total = 0
  for (let after = -1, { last, settled } = await settleJobCounts(system, after); last !== null; { last, settled } = await settleJobCounts(system, after)) {
    total += settled
    after = last
  }
  return total
}

/** A transaction that stays open after `work`. */
async function held(work: (tx: DatabaseTransactionConnection) => Promise<unknown>): Promise<{ commit: () => Promise<void> }> {
  const worked = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  const ended = system.transaction(async (tx) => {
    await work(tx)
    worked.resolve()
    await mayEnd.promise
  })
  await Promise.race([worked.promise, ended])
  return {
    commit: () => {
      mayEnd.resolve()
      return ended
    },
  }
}

const inOrder = (counts: readonly JobCount[]) => counts.map((count) => JSON.stringify(count)).toSorted()

async function assertExact(): Promise<void> {
  for (const scope of [null, organization.id]) assert.deepEqual(inOrder(await readJobCounts(system, scope)), inOrder(await countEveryJob(system, scope)))
}

const exceptions = async () => (await database.owner('select job_id from job_count_exceptions')).length
const ended = async (status: string) => Number((await database.owner('select min(id) as id from job_queue where status = $1', [status]))[0]!['id'])

test('counts are exact before anything is settled, and after', async () => {
  await assertExact()
  await fill(4 * RANGE, 5)
  await assertExact()
  assert.ok((await settleAll()) >= 4)
  assert.ok((await exceptions()) > 50)
  await assertExact()
  assert.deepEqual(byStatus(await readJobCounts(system, null)), byStatus(await countEveryJob(system, null)))
})

test('a job that is requeued, cancelled and removed is counted as what it is, in every order of settling', async () => {
  for (const settle of [true, false]) {
    const id = await ended('failed')
    for (const type of ['REQUEUE', 'CANCEL', 'REQUEUE', 'CANCEL'] as const) {
      await system.transaction((tx) => moveJob(tx, id, { type }))
      await assertExact()
      if (settle) await settleAll()
      await assertExact()
    }
    await database.owner(`update job_queue set finished_at = now() - interval '100 days' where id % 700 = $2 and finished_at is not null or id = $1`, [
      id,
      settle ? 3 : 4,
    ])
    assert.ok((await removeOldJobs(system, { done: 7, cancelled: 7, failed: 30 }, 1_000)) > 5)
    await assertExact()
  }
  await settleAll()
  await assertExact()
})

test("an organisation's own requeue is counted too, though it may not read the counts", async () => {
  await settleAll()
  const [row] = await database.owner(`select min(id) as id from job_queue where status = 'failed' and organization_id = $1`, [organization.id])
  const before = await exceptions()
  const answer = await inOrganization(database.app, organization.id, (tx) => moveJob(tx, Number(row!['id']), { type: 'REQUEUE' }))
  assert.equal(answer.kind, 'moved')
  assert.equal(await exceptions(), before + 1)
  await assertExact()
})

test('a requeue that is under way when its range is settled is counted once, whoever is first', async () => {
  await fill(RANGE)
  const id = Number((await database.owner(`select max(id) as id from job_queue where status = 'failed'`))[0]!['id'])
  const requeue = await held((tx) => moveJob(tx, id, { type: 'REQUEUE' }))
  assert.deepEqual(await settleJobCounts(system, -1), { last: null, settled: 0 })
  await requeue.commit()
  await assertExact()
  await settleAll()
  await assertExact()
})

test('a range is not settled while a transaction may still add a job to it', async () => {
  await settleAll()
  const enqueue = await held((tx) => enqueueJobs(tx, [newJob(probe, null, {})]))
  await fill(2 * RANGE)
  assert.deepEqual(await settleJobCounts(system, -1), { last: null, settled: 0 })
  await enqueue.commit()
  await assertExact()
  assert.ok((await settleAll()) > 0)
  await assertExact()
})

test('a range of waiting jobs is not settled; one in which they have ended is', async () => {
  await settleAll()
  const before = await exceptions()
  await fill(3 * RANGE, 1_000)
  assert.ok((await settleAll()) <= 1)
  await assertExact()
  await database.owner(
    `set session_replication_role = replica; update job_queue set status = 'done', finished_at = now() where status = 'queued'; delete from job_ready; set session_replication_role = origin`,
  )
  assert.ok((await settleAll()) >= 2)
  assert.ok((await exceptions()) <= before)
  await assertExact()
})

test('what is settled can be forgotten and is counted anew', async () => {
  await system.transaction(forgetJobCounts)
  assert.deepEqual(await database.owner('select * from job_count_ranges'), [])
  await assertExact()
  await settleAll()
  await assertExact()
})

test('many sums are added up to few', async () => {
  await settleAll()
  await database.owner(`insert into job_counts select tenant, job_type, queue, status, 0 from job_counts, generate_series(1, 2000)`)
  await fill(RANGE)
  await settleAll()
  assert.ok((await database.owner('select * from job_counts')).length < 100)
  await assertExact()
})

test('an organisation reads no counts by itself', async () => {
  await assert.rejects(readJobCounts(database.app, null))
})
