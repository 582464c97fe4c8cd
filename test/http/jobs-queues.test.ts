import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleJobCounts } from '#db/job-counts.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker, typesOf } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)
await database.owner(`insert into queues (name) values ('default'), ('mail')`)

type Queue = Record<string, unknown> & { counts: Record<string, number> }
const queueNow = async (name = 'default'): Promise<Queue> => (await operator.get('/queues')).body.items.find((each: { name: string }) => each.name === name)
const limitsOf = ({ concurrency, rate_limit, rate_period_seconds, max_depth }: Record<string, unknown>) => [
  concurrency,
  rate_limit,
  rate_period_seconds,
  max_depth,
]

test('an operator limits a queue, and what is not named stays', async () => {
  const { status, body } = await operator.patch('/queues/mail', { concurrency: 4, rate_limit: 100, rate_period_seconds: 3_600 })
  assert.equal(status, 200)
  assert.deepEqual(limitsOf(body), [4, 100, 3_600, 1_000_000])
  assert.deepEqual([body.held, body.rate_tokens], [0, 100], 'a new rate begins with a full bucket')
  assert.deepEqual(limitsOf((await operator.patch('/queues/mail', { max_depth: 10 })).body), [4, 100, 3_600, 10])
  await database.owner(`update queues set rate_tokens = 5, rate_refilled_at = now() where name = 'mail'`)
  const slower = (await operator.patch('/queues/mail', { rate_limit: 50 })).body
  assert.ok(slower.rate_tokens >= 5 && slower.rate_tokens < 10, `a changed rate keeps its bucket: ${slower.rate_tokens}`)
  assert.deepEqual(limitsOf((await operator.patch('/queues/mail', { rate_limit: null, concurrency: null })).body), [null, null, null, 10])
  assert.deepEqual(limitsOf(await queueNow('mail')), [null, null, null, 10])
  const audit = await database.owner(`select actor_id, details from audit_log where action = 'queue.limit' and entity_id = 'mail' order by id`)
  assert.equal(audit.length, 4)
  assert.deepEqual((audit[1]!['details'] as { before: object; after: object }).after, {
    concurrency: 4,
    rate_limit: 100,
    rate_period_seconds: 3_600,
    max_depth: 10,
  })
  assert.equal(audit[0]!['actor_id'], operator.user.id)
})

test('limits that make no sense are refused, and so is whoever is no operator', async () => {
  for (const body of [{}, { concurrency: 0 }, { concurrency: 1.5 }, { rate_limit: null, rate_period_seconds: 5 }, { max_depth: null }, { name: 'x' }]) {
    assert.equal((await operator.patch('/queues/default', body)).status, 400, JSON.stringify(body))
  }
  assert.equal((await operator.patch('/queues/default', { rate_limit: 5 })).status, 422)
  assert.equal((await operator.patch('/queues/default', { rate_period_seconds: 5 })).status, 422)
  assert.equal((await operator.patch('/queues/nowhere', { concurrency: 1 })).status, 404)
  assert.equal((await admin.patch('/queues/default', { concurrency: 1 })).status, 403)
})

test('a limit that is set while a worker runs is kept, and shows what is held', async () => {
  await operator.patch('/queues/default', { concurrency: 2 })
  await enqueueProbes(database, 12, { sleep_ms: 40 })
  // Nothing ends before the limit was seen.
  const seen = Promise.withResolvers<void>()
  const worker = await testWorker(database, {
    jobTypes: typesOf({ ...probe, run: async (job) => seen.promise.then(() => probe.run(job as never)) }),
  })
  await until(async () => (await queueNow())['held'] === 2, 'the limit is used')
  seen.resolve()
  let most = 0
  await until(async () => {
    const { counts, held } = await queueNow()
    most = Math.max(most, Number(held))
    return counts['done'] === 12
  }, 'all are done')
  assert.ok(most <= 2, `${most} were held`)
  await operator.patch('/queues/default', { concurrency: null })
  assert.equal((await queueNow())['held'], null)
  await worker.drain()
})

test('counts are those of the asker, whether they are settled or not', async () => {
  await admin.post('/jobs', { job_type: 'PROBE', count: 20 })
  await admin.post('/jobs/bulk', { action: 'cancel', all: true, dry_run: false, limit: 5 })
  const own = ((await admin.get('/queues')).body.items as Queue[]).find(({ name }) => name === 'default')
  assert.deepEqual([own!.counts, own!['depth']], [{ queued: 15, cancelled: 5 }, 15])
  const all = (await queueNow()).counts
  assert.deepEqual(all, { queued: 15, cancelled: 5, done: 12 })
  await settleJobCounts(database.system, -1)
  assert.deepEqual((await queueNow()).counts, all)
  await until(
    async () => (await admin.get('/machines')).body.items.find(({ name }: { name: string }) => name === 'job').counts.cancelled === 5,
    'the machine shows it',
  )
  const machine = (await operator.get('/machines')).body.items.find(({ name }: { name: string }) => name === 'job')
  assert.deepEqual([machine.counts.queued, machine.counts.cancelled, machine.counts.done, machine.counts.failed], [15, 5, 12, 0])
  const text = (await app.inject('/metrics')).body
  assert.match(text, /^atum_job_queue_depth\{job_type="PROBE",status="done"\} 12$/m)
})

test('a worker says how many jobs it holds', async () => {
  await admin.post('/jobs/bulk', { action: 'cancel', all: true, dry_run: false })
  await enqueueProbes(database, 3, { sleep_ms: 60_000 })
  const worker = await testWorker(database)
  const running = async () => (await operator.get('/workers')).body.items.find(({ id }: { id: number }) => id === worker.id).running_jobs
  await until(async () => (await running()) === 3, 'its heartbeat has told')
  await worker.drain()
  assert.equal(await running(), 0)
})
