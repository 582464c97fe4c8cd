import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Refusal } from '#cli/failure.ts'
import { whenReachable } from '#cli/reach.ts'
import { ping } from '#db/health.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import type { Logger } from '#log.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, QUICK } from '../support/engine.ts'
import { proxyTo } from '../support/proxy.ts'
import { isAlive, start } from './program.ts'

const database = await testDatabase()
const never = new AbortController().signal
const NOWHERE = 'postgres://a:b@127.0.0.1:1/none'

/** A log that keeps what it was told. */
function listening(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const tell = (_facts: unknown, words: string) => void lines.push(words)
  return { log: { info: tell, warn: tell } as unknown as Logger, lines }
}

const openAt = (url: string) => openDatabase(serviceUrls(url), { size: 2, name: 'reach' })

test('a database that is only coming up is waited for, and so is one that is gone, or that ends what was begun', async () => {
  const proxy = await proxyTo(database.ownerUrl)
  const { log, lines } = listening()
  const phases = [proxy.refuse, proxy.comeUp, proxy.comeUp, proxy.refuse, proxy.mend]
  const opened = await whenReachable(
    () => {
      phases.shift()?.()
      return openAt(proxy.url)
    },
    never,
    log,
    { waitMs: 60_000, chance: () => 0 },
  )
  await ping(opened!.system)
  await opened!.end()
  assert.equal(phases.length, 0)
  assert.deepEqual(lines, ['the database is away; waiting for it', 'the database can be reached; starting'])
})

test('the wait has an end, which says what was wrong and which setting it is', async () => {
  const { log } = listening()
  const began = performance.now()
  await assert.rejects(
    whenReachable(() => openAt(NOWHERE), never, log, { waitMs: 500 }),
    (error: Error) => {
      assert.ok(error instanceof Refusal)
      assert.match(error.message, /within 0\.5 s \(DATABASE_WAIT_MS\): .*ECONNREFUSED/)
      return true
    },
  )
  assert.ok(performance.now() - began >= 500)
})

test('what is no absence of the database is not waited for, and who is asked to stop does not wait', async () => {
  const { log } = listening()
  await assert.rejects(
    whenReachable(() => Promise.reject(new TypeError('a mistake')), never, log, { waitMs: 60_000 }),
    TypeError,
  )
  const stop = new AbortController()
  const waiting = whenReachable(() => openAt(NOWHERE), stop.signal, log, { waitMs: 60_000 })
  stop.abort()
  assert.equal(await waiting, null)
})

test('pauses double, are spread by chance, and never outlast the wait', async () => {
  for (const [chance, tries] of [
    [0, 5],
    [1, 4],
  ] as const) {
    let asked = 0
    const open = () => {
      asked += 1
      return openAt(NOWHERE)
    }
    await assert.rejects(whenReachable(open, never, listening().log, { waitMs: 1_000, chance: () => chance }), Refusal)
    // After 0, 100, 300, 700 and 1,000 ms, or after 0, 200, 600 and 1,000; fewer where the machine is slow, and more by what timers come too early.
    assert.ok(asked >= 2 && asked <= tries + 3, `${asked} tries`)
  }
})

test('a worker that is started while PostgreSQL is down, and then coming up, lives through it and works', async () => {
  const proxy = await proxyTo(database.ownerUrl)
  proxy.refuse()
  const worker = start(['work', '--json'], { ...QUICK, DATABASE_URL: proxy.url, WORKER_QUEUES: 'default' })
  after(() => isAlive(worker.pid) && worker.process.kill('SIGKILL'))
  await until(() => worker.said.stderr.includes('the database is away; waiting for it'), 'it waits')
  proxy.comeUp()
  const [id] = await enqueueProbes(database, 1)
  proxy.mend()
  await until(() => worker.said.stdout.includes('}'), `registered; it says ${worker.said.stderr}`)
  await until(async () => (await jobOf(database, id!))['status'] === 'done', 'it works')

  // And once more while it runs: nothing ends.
  proxy.comeUp()
  await until(() => /the database is away; waiting for it.*the database is away; waiting for it/s.test(worker.said.stderr), 'it has noticed')
  const [again] = await enqueueProbes(database, 1)
  proxy.mend()
  await until(async () => (await jobOf(database, again!))['status'] === 'done', 'it works again')
  worker.process.kill('SIGTERM')
  assert.equal((await worker.ended).code, 0)
})
