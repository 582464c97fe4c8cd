import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { settleJobCounts } from '#db/job-counts.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { JobFilter } from '#db/job-lists.ts'
import { moveJob } from '#db/job-moves.ts'
import { planSearch, rangesThatMayHold, searchJobs, SEARCH_RANGES_MAX } from '#db/job-search.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'

const RANGE = 5_000
/** Far more than one page looks through; few jobs in each, so that a test needs no million rows. */
const RANGES = 3 * SEARCH_RANGES_MAX
const JOBS_A_RANGE = 4
const ALL: JobFilter = {
  status: null,
  job_type: null,
  queue: null,
  organization_id: null,
  locked_by: null,
  ticket_id: null,
  q: null,
  created_after: null,
  created_before: null,
}

const database = await testDatabase()
const { system } = database
const organizations = [(await createOrganization(database)).id, (await createOrganization(database)).id]
let jobs: { id: number; status: string; job_type: string; queue: string; organization_id: string | null; payload: unknown; created_at: Date }[] = []

before(async () => {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  await client.query('set session_replication_role = replica')
  // One range in seven has a failed job, one in thirty a mail; the rest are done or cancelled probes.
  await client.query(
    `insert into job_queue (id, organization_id, job_type, queue, status, attempt, max_attempts, payload, created_at, finished_at)
     overriding system value
     select range * ${RANGE}::int8 + n, case when n = 1 then $1::uuid when n = 2 and range % 5 = 0 then $2::uuid end,
            case when range % 30 = 3 and n = 3 then 'SEND_EMAIL' else 'PROBE' end, case when range % 30 = 3 and n = 3 then 'mail' else 'default' end,
            (case when range % 7 = 2 and n = 1 then 'failed' when n = 0 then 'cancelled' else 'done' end)::job_status, 1, 3,
            jsonb_build_object('marker', 'm' || range % 45), now() - make_interval(hours => ${RANGES} - range), now()
       from generate_series(1, ${RANGES}) as range, generate_series(0, ${JOBS_A_RANGE - 1}) as n`,
    organizations,
  )
  await client.query(`select setval('job_queue_id_seq', ${(RANGES + 1) * RANGE})`)
  await client.end()
  await enqueueJobs(
    system,
    Array.from({ length: 3 }, () => ({ organization_id: organizations[0]!, job_type: 'PROBE', queue: 'default', max_attempts: 3, payload: {} })),
  )
  await settleAll()
  jobs = await readAll()
})

async function settleAll(): Promise<void> {
  for (let after = -1, looked = await settleJobCounts(system, after); looked.last !== null; looked = await settleJobCounts(system, after)) after = looked.last
}

const readAll = async () =>
  (await database.owner('select id::int8, status, job_type, queue, organization_id, payload, created_at from job_queue order by id desc')).map((row) => ({
    ...row,
    id: Number(row['id']),
  })) as typeof jobs

/** What a filter means, job by job. */
const matches = (filter: JobFilter) => (job: (typeof jobs)[number]) =>
  (filter.status === null || job.status === filter.status) &&
  (filter.job_type === null || job.job_type === filter.job_type) &&
  (filter.queue === null || job.queue === filter.queue) &&
  (filter.organization_id === null || job.organization_id === filter.organization_id) &&
  (filter.q === null || JSON.stringify(job.payload).includes(filter.q)) &&
  (filter.created_after === null || job.created_at > new Date(filter.created_after)) &&
  (filter.created_before === null || job.created_at < new Date(filter.created_before))

/** All pages, as a client walks through them. */
async function walk(filter: JobFilter, limit: number): Promise<{ ids: number[]; pages: number }> {
  const ids: number[] = []
  let pages = 0
  for (let before: number | null = null, isOver = false; !isOver; pages += 1) {
    const plan = await planSearch(system, filter, before)
    const rows = await searchJobs(system, filter, { plan, before, limit })
    ids.push(...rows.map((row) => row.id))
    const next: number | null = rows.length === limit ? rows.at(-1)!.id : (plan?.rest ?? null)
    isOver = next === null
    before = next
  }
  return { ids, pages }
}

const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const filters: fc.Arbitrary<JobFilter> = fc.record({
  status: orNull(fc.constantFrom('queued', 'done', 'failed', 'cancelled', 'running')),
  job_type: orNull(fc.constantFrom('PROBE', 'SEND_EMAIL', 'TRAIN_MODEL')),
  queue: orNull(fc.constantFrom('default', 'mail')),
  organization_id: orNull(fc.constantFrom(...organizations)),
  q: orNull(fc.constantFrom('m3"', 'm44', 'nowhere')),
  created_after: orNull(fc.constantFrom(hoursAgo(20), hoursAgo(70))),
  created_before: orNull(fc.constantFrom(hoursAgo(10), hoursAgo(60))),
  locked_by: fc.constant(null),
  ticket_id: fc.constant(null),
})

test('whatever is asked for, the pages together hold every job that matches, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(filters, fc.integer({ min: 1, max: 60 }), async (filter, limit) => {
      assert.deepEqual(
        (await walk(filter, limit)).ids,
        jobs.filter(matches(filter)).map((job) => job.id),
      )
    }),
    { numRuns: 60 },
  )
})

test('a state, type or organisation that occurs seldom or never is found without looking where it is not', async () => {
  assert.equal((await walk({ ...ALL, status: 'failed' }, 200)).pages, 1)
  assert.equal((await walk({ ...ALL, job_type: 'SEND_EMAIL', queue: 'mail' }, 200)).pages, 1)
  assert.equal((await walk({ ...ALL, status: 'failed', organization_id: organizations[1]! }, 200)).pages, 1)
  assert.deepEqual(await rangesThatMayHold(system, { ...ALL, job_type: 'TRAIN_MODEL', status: 'done' }, null, RANGES), [RANGES + 1], 'only what is not settled')
  assert.deepEqual(await rangesThatMayHold(system, { ...ALL, locked_by: 7 }, null, RANGES), [RANGES + 1])
  assert.equal((await rangesThatMayHold(system, { ...ALL, created_before: hoursAgo(RANGES - 2) }, null, RANGES)).length, 3)
})

test('a text that nothing has is looked for in a bounded number of ranges a page', async () => {
  const { ids, pages } = await walk({ ...ALL, q: 'nowhere' }, 50)
  assert.deepEqual([ids, pages], [[], Math.ceil((RANGES + 1) / SEARCH_RANGES_MAX)])
})

test('a job that changes after its range was settled is found as what it is, before it is settled anew and after', async () => {
  const [old] = jobs.filter(({ status }) => status === 'done').slice(-1)
  const find = async (status: JobFilter['status']) => (await walk({ ...ALL, status }, 200)).ids.includes(old!.id)
  await system.transaction((tx) => moveJob(tx, old!.id, { type: 'REQUEUE' }))
  assert.deepEqual([await find('queued'), await find('done')], [true, false])
  await system.transaction((tx) => moveJob(tx, old!.id, { type: 'CANCEL' }))
  assert.deepEqual([await find('queued'), await find('cancelled')], [false, true])
  await settleAll()
  assert.equal((await database.owner('select from job_count_exceptions where job_id = $1', [old!.id])).length, 0, 'it is settled')
  assert.deepEqual([await find('queued'), await find('cancelled')], [false, true])
})

test('ranges that were settled before their kinds were kept are looked at, and learnt', async () => {
  await database.owner('delete from job_range_kinds')
  await database.owner('update job_count_ranges set kinds_known = false, created_from = null, created_to = null')
  const expected = (await readAll()).filter(({ status }) => status === 'failed').map(({ id }) => id)
  assert.deepEqual((await walk({ ...ALL, status: 'failed' }, 200)).ids, expected)
  for (let n = 0; n < RANGES; n += 1) await settleJobCounts(system, RANGES)
  const [row] = await database.owner('select count(*)::int as n from job_count_ranges where not kinds_known')
  assert.equal(row!['n'], 0)
  assert.deepEqual((await walk({ ...ALL, status: 'failed' }, 200)).ids, expected)
})
