import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { Lanes } from '#actors/lanes.ts'
import { newestSerial } from '#actors/leases.ts'
import { claimJobs, leaseJobs, readyLanes } from '#db/job-claims.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import type { ClaimedRow, LaneQuota } from '#db/job-claims.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { Move } from '#db/job-records.ts'
import { listJobEvents, listJobs, oldestDue } from '#db/job-lists.ts'
import type { JobFilter } from '#db/job-lists.ts'
import { planSearch, rangesThatMayHold, SEARCH_RANGES_MAX } from '#db/job-search.ts'
import { RANGE_IDS, settleJobCounts } from '#db/job-counts.ts'
import { inOrganization } from '#db/pool.ts'
import { claim } from '../support/claims.ts'
import { failureOf, successOf } from '../support/moves.ts'
import { explain } from '../support/plans.ts'
import type { Plan } from '../support/plans.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'

/** Enough that a plan that reads the whole table shows: it would read these, and nothing here is near them. */
const FINISHED = 1_000_000
const WAITING = 100_000
const HELD = 2_000
const ENQUEUE_BATCH = 10_000
const ORGANIZATIONS = 20
const BATCH = 500
/** Of the 12,000 that the log has: the filters, the blocks that hold the job's events, and some that only might. */
const LOG_BLOCKS_MAX = 1_000
/** Some for each of the 200 ranges of ids that the jobs fill. */
const RANGE_BLOCKS_MAX = 3_000
const ENGINE_TABLES = ['job_queue', 'job_ready', 'job_bundles', 'job_events', 'job_unique'] as const
type EngineTable = (typeof ENGINE_TABLES)[number]

const database = await testDatabase()
const organizations: string[] = []
let worker = 0
let held: ClaimedRow[] = []

before(async () => {
  for (let n = 0; n < ORGANIZATIONS; n += 1) organizations.push((await createOrganization(database)).id)
  const [registered] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}') returning id`,
  )
  worker = registered!.id
  await fill()
})

test('a claim reads the jobs that it takes and no others, from one lane or from many', async () => {
  for (const tenants of [1, 10, ORGANIZATIONS]) {
    const lanes = await quotas(BATCH, tenants)
    const plan = await explain(database.system, (db) => claimJobs(db, { queue: 'default', worker, lanes }))
    assertNoScan(plan)
    assertIndex(plan, 'job_ready', /^job_ready_pkey$/)
    assertIndex(plan, 'job_queue', /^job_queue_pkey$/)
    // Each place is read to be locked, and by its address to be deleted.
    assertRows(plan, 'job_ready', 2 * BATCH)
    assertRows(plan, 'job_bundles', 2 * BATCH)
    assertRows(plan, 'job_queue', BATCH)
    assert.equal(plan.rows, BATCH)
  }
})

test('the claim of an idle worker, from one lane of single places, goes by keys as well', async () => {
  const lanes = (await quotas(BATCH, ORGANIZATIONS)).filter((lane) => !lane.bundled).slice(0, 1)
  assert.equal(lanes.length, 1)
  for (const limit of [1, BATCH]) {
    const plan = await explain(database.system, (db) =>
      leaseJobs(db, { queue: 'default', worker, lanes: [{ ...lanes[0]!, limit }], serial: newestSerial(), ended: [newestSerial()] }),
    )
    assertNoScan(plan)
    assertIndex(plan, 'job_ready', /^job_ready_pkey$/)
    assertIndex(plan, 'job_queue', /^job_queue_pkey$/)
    assertRows(plan, 'job_ready', 2 * limit)
    assertRows(plan, 'job_queue', limit)
    assert.equal(plan.rows, limit)
  }
})

test('a claim begins at the head that it is given, not at the start of the lane', async () => {
  const [lane] = await quotas(BATCH, 1)
  const [row] = await database.owner<{ head: string; behind: number }>(
    `with head as (select max(run_after) as at from job_ready where tenant = $1)
     select (extract(epoch from at) * 1000000)::int8::text as head, (select count(*)::int from job_ready where tenant = $1 and run_after >= at) as behind from head`,
    [lane!.tenant],
  )
  const plan = await explain(database.system, (db) =>
    claimJobs(db, { queue: 'default', worker, lanes: [{ ...lane!, after_us: Number(row!.head), limit: WAITING }] }),
  )
  assert.ok(row!.behind < WAITING / ORGANIZATIONS / 2, 'the head stands far behind the start')
  assert.equal(plan.rows, row!.behind)
  assertRows(plan, 'job_ready', 2 * row!.behind)
})

test('recording successes that are alike touches their rows only', async () => {
  for (const count of [8, BATCH, HELD]) {
    const plan = await explain(database.system, (db) =>
      recordMoves(
        db,
        held.slice(0, count).map((job) => successOf(job, worker)),
      ),
    )
    assertNoScan(plan)
    assertIndex(plan, 'job_queue', /^job_queue_pkey$/)
    assertRows(plan, 'job_queue', 2 * count)
    assertRows(plan, 'job_unique', count)
    assert.equal(plan.rows, 0, 'every move was recorded: only refused ones are answered')
  }
})

test('recording moves of every other kind touches their rows and places only', async () => {
  for (const count of [1, BATCH, HELD]) {
    const plan = await explain(database.system, (db) =>
      recordMoves(
        db,
        held.slice(0, count).map((job) => failureOf(job, worker)),
      ),
    )
    assertNoScan(plan)
    assertIndex(plan, 'job_queue', /^job_queue_pkey$/)
    assertRows(plan, 'job_queue', 2 * count)
    assert.equal(plan.rows, 0, 'every move was recorded: only refused ones are answered')
  }
})

test('cancelling what waits finds its place in the lanes by the key, and its bundle likewise', async () => {
  const [single, bundled] = [
    `select job_id as id from job_ready order by job_id offset ${WAITING / 4} limit ${BATCH}`,
    `select unnest(job_ids) as id from job_bundles order by 1 offset ${WAITING / 4} limit ${BATCH}`,
  ]
  for (const which of [single, bundled]) {
    const moves = await cancellations(which)
    const plan = await explain(database.system, (db) => recordMoves(db, moves))
    assertNoScan(plan)
    assertRows(plan, 'job_ready', BATCH)
    assertRows(plan, 'job_bundles', 3 * BATCH)
    assertRows(plan, 'job_unique', BATCH)
    assert.equal(plan.rows, 0, 'every move was recorded: only refused ones are answered')
  }
})

test('the lanes are found by one step each, whatever waits in them', async () => {
  // What was explained before has left places that were never committed, also where no other is: the first look walks over them.
  await database.owner('vacuum job_ready, job_bundles')
  const plan = await explain(database.system, (db) => readyLanes(db, 'default', 1_000))
  assertNoScan(plan)
  assert.equal(plan.rows, ORGANIZATIONS)
  assertRows(plan, 'job_ready', 2 * ORGANIZATIONS)
  assert.ok(plan.blocks < 10 * ORGANIZATIONS, `${plan.blocks} blocks for ${ORGANIZATIONS} lanes`)
})

test('the oldest due job of each queue costs one step a lane', async () => {
  const plan = await explain(database.system, (db) => oldestDue(db))
  assertNoScan(plan)
  assertRows(plan, 'job_ready', 2 * ORGANIZATIONS)
})

test('enqueueing reads no table, with keys or without, many or few', async () => {
  for (const [keyed, count] of [
    [false, BATCH],
    [true, BATCH],
    [false, 5],
    [true, 5],
  ] as const) {
    const jobs = Array.from({ length: count }, (_, n) => newOne(n, keyed ? `new key ${n}` : null))
    const plan = await explain(database.system, (db) => enqueueJobs(db, jobs))
    for (const table of ENGINE_TABLES) assertRows(plan, table, 0)
    assert.equal(plan.rows, 1, 'all ids in one row')
  }
})

test('the first page of jobs, and the page behind a cursor, read no more than a page', async () => {
  for (const before of [null, FINISHED / 2]) {
    const plan = await explain(database.system, (db) => listJobs(db, filter({}), { from: null, before, limit: 51 }))
    assertNoScan(plan)
    assertRows(plan, 'job_queue', 51)
  }
})

test('the first page of an organisation reads its jobs only, for a tenant as for an operator', async () => {
  const wanted = filter({ organization_id: organizations[3]! })
  const operator = await explain(database.system, (db) => listJobs(db, wanted, { from: null, before: null, limit: 51 }))
  const plans = [
    operator,
    await inOrganization(database.app, organizations[3]!, (tx) => explain(tx, (db) => listJobs(db, filter({}), { from: null, before: null, limit: 51 }))),
  ]
  for (const plan of plans) {
    assertNoScan(plan)
    assertRows(plan, 'job_queue', 51 * ORGANIZATIONS)
  }
})

test('the first page of a state that jobs stand in is read from the newest down and stops when it is full', async () => {
  for (const status of ['queued', 'done'] as const) {
    const plan = await explain(database.system, (db) => listJobs(db, filter({ status }), { from: null, before: null, limit: 51 }))
    assertNoScan(plan)
    assertRows(plan, 'job_queue', WAITING + HELD + 51)
  }
})

test('a text that many jobs have is found without reading on behind a full page', async () => {
  const plan = await explain(database.system, (db) => listJobs(db, filter({ q: 'Marker' }), { from: null, before: null, limit: 51 }))
  assertNoScan(plan)
  assertRows(plan, 'job_queue', 51)
})

test('a page of a list reads so many jobs at most, whatever is asked for and whether anything matches or not', async () => {
  const wanted: Partial<JobFilter>[] = [
    { status: 'failed' },
    { status: 'failed', organization_id: organizations[3]! },
    { status: 'running' },
    { job_type: 'TRAIN_MODEL' },
    { queue: 'mail', job_type: 'PROBE' },
    { locked_by: 1_000_000 },
    { q: 'a text that no job has' },
    { q: 'a text that no job has', organization_id: organizations[3]! },
    { ticket_id: '00000000-0000-4000-8000-000000000000' },
    { created_before: '2020-01-01T00:00:00Z' },
  ]
  for (const some of wanted) {
    const ranges = await explain(database.system, (db) => rangesThatMayHold(db, filter(some), null, SEARCH_RANGES_MAX + 1))
    for (const table of ENGINE_TABLES) assertRows(ranges, table, 2)
    assert.ok(ranges.blocks < RANGE_BLOCKS_MAX, `${ranges.blocks} blocks to know where to look for ${JSON.stringify(some)}`)
    const { spans } = (await planSearch(database.system, filter(some), null))!
    let read = 0
    for (const { from, to } of spans) {
      const plan = await explain(database.system, (db) => listJobs(db, filter(some), { from, before: to, limit: 51 }))
      assertNoScan(plan)
      read += plan.rowsRead('job_queue')
    }
    assert.ok(read <= SEARCH_RANGES_MAX * RANGE_IDS, `${read} jobs are read for ${JSON.stringify(some)}`)
  }
})

test("a job's log is read from the blocks that may hold it, of the days in which it lived", async () => {
  const plan = await explain(database.system, (db) => listJobEvents(db, held[0]!.id, { after: 0, limit: 51 }))
  assertNoScan(plan)
  assert.ok(plan.blocks <= LOG_BLOCKS_MAX, `${plan.blocks} blocks`)
})

const filter = (wanted: Partial<JobFilter>): JobFilter => ({
  status: null,
  job_type: null,
  queue: null,
  organization_id: null,
  locked_by: null,
  ticket_id: null,
  q: null,
  created_after: null,
  created_before: null,
  ...wanted,
})

/** What a supervisor would claim now, from the lanes of so many organisations. */
async function quotas(limit: number, tenants = ORGANIZATIONS): Promise<LaneQuota[]> {
  const lanes = new Lanes()
  lanes.renew((await readyLanes(database.system, 'default', 1_000)).slice(0, tenants), performance.now())
  return lanes.plan(limit, performance.now())
}

/** CANCEL of jobs that wait. */
async function cancellations(which: string): Promise<Move[]> {
  const rows = await database.owner<{ id: string }>(which)
  assert.equal(rows.length, BATCH)
  return rows.map((row) => ({
    id: Number(row.id),
    version: 1,
    standing: { state: 'cancelled', context: { attempt: 0, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } },
    transitions: [{ event: 'CANCEL', from: 'queued', to: 'cancelled', attempt: 0, worker: null }],
  }))
}

/** A sequential scan of a partition that is empty yet is no fault. */
function assertNoScan(plan: Plan): void {
  const scans = plan.scans().filter((scan) => scan.kind === 'Seq Scan' && scan.rows > 0 && ENGINE_TABLES.some((table) => table === scan.table))
  assert.deepEqual(scans, [], 'a whole table is read')
}

function assertIndex(plan: Plan, table: EngineTable, index: RegExp): void {
  const used = plan.scans().filter((scan) => scan.table === table && scan.index !== null)
  assert.ok(used.length > 0, `no index of ${table} is used`)
  for (const scan of used) assert.match(scan.index!, index)
}

function assertRows(plan: Plan, table: EngineTable, atMost: number): void {
  const read = plan.rowsRead(table)
  assert.ok(read <= atMost, `${read} rows of ${table} are read, at most ${atMost} should be`)
}

/** Months of work behind, an afternoon ahead, and some jobs in a worker's hands. */
async function fill(): Promise<void> {
  await fillFinished()
  for (let after = -1, looked = await settleJobCounts(database.system, after); looked.settled > 0; looked = await settleJobCounts(database.system, after))
    after = looked.last!
  for (let at = 0; at < WAITING + HELD; at += ENQUEUE_BATCH) {
    const batch = Array.from({ length: Math.min(ENQUEUE_BATCH, WAITING + HELD - at) }, (_, n) => newOne(at + n, `key ${at + n}`))
    await enqueueJobs(database.system, batch)
  }
  await standAlone(organizations.slice(0, ORGANIZATIONS / 2))
  held = await claim(database.system, { queue: 'default', worker, limit: HELD })
  await database.owner('vacuum analyze')
}

/** Gives the jobs of some organisations places of their own; those of the others stay in bundles. */
async function standAlone(tenants: string[]): Promise<void> {
  await database.owner(
    `with opened as (delete from job_bundles where tenant = any($1) returning *)
     insert into job_ready (queue, tenant, priority, run_after, job_id, state)
     select queue, tenant, priority, run_after, unnest(job_ids), 'queued' from opened`,
    [tenants],
  )
}

/** Written behind the machine's back, triggers off, as only the owner may. */
async function fillFinished(): Promise<void> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await client.query(
    `with finished as (
       insert into job_queue (organization_id, job_type, queue, status, version, attempt, max_attempts, payload, finished_at)
       select ($1::uuid[])[n % ${ORGANIZATIONS} + 1], 'PROBE', 'default', 'done', 4, 1, 3, '{"marker": "a marker of some length"}', now()
         from generate_series(1, ${FINISHED}) as n
       returning id, organization_id
     )
     insert into job_events (job_id, seq, event, to_state, attempt, organization_id) select id, 1, 'ENQUEUE', 'queued', 0, organization_id from finished`,
    [organizations],
  )
  await client.end()
}

const newOne = (n: number, unique_key: string | null): NewJob => ({
  organization_id: organizations[n % ORGANIZATIONS]!,
  job_type: 'PROBE',
  queue: 'default',
  max_attempts: 3,
  payload: { marker: 'a marker of some length' },
  unique_key,
})
