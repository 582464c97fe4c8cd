import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { WakeAtCommit } from '#db/job-enqueue.ts'
import { startNotifier } from '#http/notifier.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { createLogger } from '#log.ts'
import { testDatabase, until } from '../support/database.ts'

const database = await testDatabase()
const log = createLogger('silent', 'test')

/** What workers hear, in the order of the commits. */
const heard: string[] = []
const listener = new pg.Client({ connectionString: database.ownerUrl })
// The database is dropped under it.
listener.on('error', () => {})
listener.on('notification', ({ payload }) => heard.push(payload ?? ''))
await listener.connect()
await listener.query('listen atum_jobs')

const enqueue = (queue: string, wake: WakeAtCommit) => enqueueJobs(database.system, [{ ...newJob(probe, null, {}), queue }], wake)
const says = (...queues: string[]) => JSON.stringify({ queues })

/** All that was told before it was heard, because notifications come in the order of the commits. */
async function heardUntil(mark: string): Promise<string[]> {
  await listener.query(`select pg_notify('atum_jobs', $1)`, [mark])
  await until(() => heard.includes(mark), 'the mark is heard')
  return heard.splice(0).slice(0, -1)
}

test('where nothing was told of late, the commit that enqueues tells the workers, and nobody tells them again', async () => {
  const notifier = startNotifier(database.system, log)
  {
    using wake = notifier.wake()
    await enqueue('alone', wake.atCommit)
    wake.notify('alone')
  }
  await notifier.idle()
  assert.deepEqual(await heardUntil('first'), [says('alone')])
})

test('a queue of which the commit did not tell is told of after it', async () => {
  const notifier = startNotifier(database.system, log)
  using wake = notifier.wake()
  await enqueue('told', wake.atCommit)
  wake.notify('told', 'besides')
  await notifier.idle()
  assert.deepEqual(await heardUntil('second'), [says('told'), says('besides')])
})

test('beside a commit that tells the workers, others tell them after their own, together', async () => {
  const notifier = startNotifier(database.system, log)
  const wakes = [notifier.wake(), notifier.wake(), notifier.wake()] as const
  const [isEnqueued, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const held = database.system.transaction(async (tx) => {
    await enqueueJobs(tx, [{ ...newJob(probe, null, {}), queue: 'held' }], wakes[0].atCommit)
    isEnqueued.resolve()
    await mayCommit.promise
  })
  await isEnqueued.promise
  await enqueue('beside', wakes[1].atCommit)
  await enqueue('too', wakes[2].atCommit)
  wakes[1].notify('beside')
  wakes[2].notify('too')
  await notifier.idle()
  mayCommit.resolve()
  await held
  wakes[0].notify('held')
  for (const wake of wakes) wake[Symbol.dispose]()
  await notifier.idle()
  const all = await heardUntil('third')
  assert.equal(all.at(-1), says('held'), 'it tells when it has committed, not before')
  assert.deepEqual(all.slice(0, -1).toSorted(), [says('beside'), says('too')])
})

test('what is rolled back tells nobody, and the next one is free to', async () => {
  const notifier = startNotifier(database.system, log)
  await assert.rejects(
    database.system.transaction(async (tx) => {
      using wake = notifier.wake()
      await enqueueJobs(tx, [{ ...newJob(probe, null, {}), queue: 'undone' }], wake.atCommit)
      throw new Error('undone')
    }),
    /undone/,
  )
  using next = notifier.wake()
  await until(() => next.atCommit(['next']) !== null, 'the interval is over')
  assert.deepEqual(await heardUntil('fourth'), [])
})
