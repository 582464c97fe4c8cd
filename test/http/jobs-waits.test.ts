import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobType } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker, typesOf } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const elsewhere = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)
const stranger = await clientOf(app, database, 'admin', elsewhere)
const PROBE = { job_type: 'PROBE', payload: {} }

interface Reason {
  reason: string
  detail: string
  facts: Record<string, unknown>
}
const reasonsOf = async (id: number): Promise<Reason[]> => (await admin.get(`/jobs/${id}`)).body.waiting_because
const namesOf = async (id: number) => (await reasonsOf(id)).map(({ reason }) => reason)
const factsOf = async (id: number, reason: string) => (await reasonsOf(id)).find((each) => each.reason === reason)?.facts
const make = async (options: object = {}): Promise<number> => (await admin.post('/jobs', { ...PROBE, ...options })).body.id

/** A worker's row without a worker: what says that the queue is served. */
async function row(queues: string): Promise<number> {
  const [worker] = await database.owner(`insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', $1) returning id`, [queues])
  return Number(worker!['id'])
}

await database.owner(`insert into queues (name) values ('default')`)

test('a job that is not due says until when', async () => {
  const due = new Date(Date.now() + 60_000)
  const id = await make({ run_after: due.toISOString() })
  assert.deepEqual(await namesOf(id), ['not_due', 'no_worker'])
  const facts = await factsOf(id, 'not_due')
  assert.ok(Math.abs(Date.parse(String(facts!['until'])) - due.getTime()) < 2_000)
})

test('a paused queue and one without a worker are reasons of their own', async () => {
  const id = await make()
  assert.deepEqual(await namesOf(id), ['no_worker', 'behind'])
  await operator.post('/queues/default/pause')
  assert.deepEqual(await namesOf(id), ['paused', 'no_worker', 'behind'])
  await operator.post('/queues/default/resume')
  await row('{ai}')
  assert.deepEqual(await namesOf(id), ['no_worker', 'behind'])
  const worker = await row('{default}')
  assert.deepEqual(await namesOf(id), ['behind'])
  await database.owner(`update workers set status = 'draining' where id = $1`, [worker])
  assert.deepEqual(await namesOf(id), ['no_worker', 'behind'])
  await database.owner('delete from workers')
})

test('a job that waits for others names them', async () => {
  const others = [await make(), await make()]
  const id = await make({ depends_on: others })
  assert.deepEqual(await factsOf(id, 'waiting_for_jobs'), { job_ids: others })
  assert.deepEqual(await namesOf(id), ['waiting_for_jobs', 'no_worker'])
})

test('a job behind others of its lane says how many, and with how many organisations it shares its queue', async () => {
  const options = { priority: 7 }
  await make({ ...options, count: 5 })
  const id = await make(options)
  const before = (await factsOf(id, 'behind'))!['organizations']
  await stranger.post('/jobs', PROBE)
  await enqueueProbes(database, 1)
  assert.deepEqual(await factsOf(id, 'behind'), { jobs: 5, organizations: Number(before) + 2 })
  assert.deepEqual(await factsOf(id, 'fairness'), { organizations: Number(before) + 2 })
  await make({ priority: -7, count: 1_500 })
  const [last] = await database.owner('select max(id) as id from job_queue')
  const reason = (await reasonsOf(Number(last!['id']))).find((each) => each.reason === 'behind')
  assert.equal(reason!.facts['jobs'], 1_000)
  assert.match(reason!.detail, /1000 or more jobs of its lane go before it/)
})

test('limits of the queue and of the key are told with what is held, and the rate with when it lets one through', async () => {
  await database.owner(
    `update queues set concurrency = 1, rate_limit = 1, rate_period_seconds = 10000, rate_tokens = 0, rate_refilled_at = now() where name = 'default'`,
  )
  const id = await make({ limit_key: 'door', limit_max: 2 })
  const tenant = `key ${organization.id} door`
  const holders = await enqueueProbes(database, 2)
  for (const holder of holders) await database.owner('insert into job_slots (job_id, name) values ($1, $2)', [holder, tenant])
  await database.owner(`insert into job_slots (job_id, name) values ($1, 'queue default')`, [holders[0]])
  assert.deepEqual(await namesOf(id), ['no_worker', 'queue_limit', 'rate', 'key_limit', 'behind', 'fairness'])
  assert.deepEqual(await factsOf(id, 'queue_limit'), { held: 1, limit: 1 })
  assert.deepEqual(await factsOf(id, 'key_limit'), { held: 2, limit: 2 })
  const { seconds } = (await factsOf(id, 'rate'))!
  assert.ok(Number(seconds) > 9_500 && Number(seconds) <= 10_000, String(seconds))
  await database.owner('delete from job_slots')
  await database.owner(`update queues set concurrency = null, rate_limit = null, rate_period_seconds = null`)
  assert.deepEqual(await namesOf(id), ['no_worker', 'behind', 'fairness'])
})

test('a job in hand names its worker, one that failed waits for its back-off, one that has ended waits for nothing', async () => {
  await admin.post('/jobs/bulk', { action: 'cancel', all: true, dry_run: false })
  await operator.post('/jobs/bulk', { action: 'cancel', all: true, dry_run: false })
  const long = await make({ payload: { sleep_ms: 60_000 } })
  const failing = await make({ payload: { fail_times: 1 } })
  // It waits so long that a slow reader sees it wait.
  const patient = { ...probe, backoff: { ...probe.backoff, base_ms: 600_000, max_ms: 600_000 } } as JobType
  const worker = await testWorker(database, { jobTypes: typesOf(patient) })
  await until(async () => (await namesOf(long)).join() === 'in_hand', 'a worker holds it')
  const facts = await factsOf(long, 'in_hand')
  assert.equal(facts!['worker'], worker.id)
  assert.ok(Date.parse(String(facts!['since'])) <= Date.now() + 1_000)
  await until(async () => (await namesOf(failing)).join() === 'not_due', 'it failed once, and waits')
  await admin.post(`/jobs/${long}/cancel`)
  await until(async () => (await reasonsOf(long)).length === 0, 'it has ended')
  await worker.drain()
})
