import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { moveJob } from '#db/job-moves.ts'
import { inOrganization } from '#db/pool.ts'
import { deliverWebhook } from '#jobs/deliver-webhook.ts'
import { enqueueDeliveries } from '#jobs/webhook-job.ts'
import { testDatabase, until } from '../support/database.ts'
import { jobOf, testWorker, timeline, typesOf } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { runJob } from './run-job.ts'

const database = await testDatabase()
const organization = await createOrganization(database)
await database.owner(`insert into users (organization_id, email, password_hash, full_name, role) values ($1, 'boss@desk.test', 'x', 'Boss', 'admin')`, [
  organization.id,
])

/** A receiver that takes every connection and never says a word. */
const silent = createServer(() => {})
await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
after(() => silent.close())
const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`

async function deliver(options: { max_attempts?: number } = {}): Promise<{ endpoint: string; delivery: string; job: number }> {
  const [row] = await database.owner<{ id: string }>('insert into webhook_endpoints (organization_id, url, secret) values ($1, $2, $3) returning id', [
    organization.id,
    url,
    `whsec_${Buffer.alloc(24, 7).toString('base64')}`,
  ])
  const [endpoint, delivery] = [row!.id, randomUUID()]
  await inOrganization(database.system, organization.id, (tx) =>
    enqueueDeliveries(tx, organization.id, [
      { id: delivery, endpoint_id: endpoint, event_id: null, message_id: `test_${delivery}`, event_type: 'webhook.test', payload: {}, happened_at: new Date() },
    ]),
  )
  const [{ job }] = (await database.owner<{ job: number }>('select job_ids[1]::int4 as job from webhook_deliveries where id = $1', [delivery])) as [
    { job: number },
  ]
  if (options.max_attempts) await database.owner('update job_queue set max_attempts = $2 where id = $1', [job, options.max_attempts])
  return { endpoint, delivery, job }
}

const failed = (job: number) => until(async () => (await jobOf(database, job))['status'] === 'failed', 'the job failed')
const settle = () => runJob(database, deliverWebhook, null, {})
const standing = async (delivery: string) =>
  (
    await database.owner(
      `select delivery.status, attempt, error, is_active, disabled_reason
         from webhook_deliveries delivery join webhook_endpoints endpoint on endpoint.id = endpoint_id where delivery.id = $1`,
      [delivery],
    )
  )[0]!

/** As the real one, but its time is over at once, and so is its back-off. */
const hasty = {
  ...deliverWebhook,
  timeout_ms: 20,
  backoff: { base_ms: 1, factor: 1, max_ms: 1, jitter: 0 },
  run: ({ signal }: { signal: AbortSignal }) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    }),
}

test('an endpoint whose last attempt ran out of time is switched off, and its admins are told once', async () => {
  const worker = await testWorker(database, { jobTypes: typesOf(hasty) }, { WORKER_QUEUES: 'mail' })
  const { endpoint, delivery, job } = await deliver()
  await failed(job)
  await worker.drain()
  assert.equal((await timeline(database, job)).at(-1), 'TIMEOUT failed')
  assert.equal((await standing(delivery))['is_active'], true)
  await Promise.all([settle(), settle()])
  await settle()
  const { status, attempt, is_active, disabled_reason } = await standing(delivery)
  assert.deepEqual([status, attempt, is_active], ['failed', 13, false])
  assert.match(String(disabled_reason), /has taken nothing over 13 attempts/)
  assert.equal((await database.owner(`select from audit_log where action = 'webhook.disable' and entity_id = $1`, [endpoint])).length, 1)
  assert.equal((await database.owner(`select from job_queue where job_type = 'SEND_EMAIL' and payload ->> 'to' = 'boss@desk.test'`)).length, 1)
})

test('an endpoint whose last attempt was lost with its worker is switched off', async () => {
  const { delivery, job } = await deliver({ max_attempts: 1 })
  const child = fork(fileURLToPath(new URL('../support/worker-process.ts', import.meta.url)), [database.ownerUrl], {
    env: { ...process.env, WEBHOOK_ALLOW_PRIVATE: 'true', WORKER_QUEUES: 'mail' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await until(async () => (await jobOf(database, job))['status'] === 'running', 'the delivery is under way')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const rescuer = await testWorker(database, { jobTypes: typesOf(hasty) }, { WORKER_QUEUES: 'mail' })
  await failed(job)
  await rescuer.drain()
  assert.equal((await timeline(database, job)).at(-1), 'LOSE failed')
  await settle()
  const { status, is_active } = await standing(delivery)
  assert.deepEqual([status, is_active], ['failed', false])
})

test('an endpoint that has taken something since, or whose delivery was cancelled, stays on', async () => {
  const worker = await testWorker(database, { jobTypes: typesOf(hasty) }, { WORKER_QUEUES: 'mail' })
  const well = await deliver({ max_attempts: 1 })
  await failed(well.job)
  await worker.drain()
  await database.owner(
    `insert into webhook_deliveries (organization_id, endpoint_id, event_type, payload, status, delivered_at) values ($1, $2, 'webhook.test', '{}', 'delivered', now())`,
    [organization.id, well.endpoint],
  )
  const called = await deliver()
  await database.system.transaction((tx) => moveJob(tx, called.job, { type: 'CANCEL' }))
  await settle()
  for (const { delivery } of [well, called]) {
    const { status, is_active } = await standing(delivery)
    assert.deepEqual([status, is_active], ['failed', true])
  }
})
