import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { eventually, NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { until } from '../support/database.ts'
import { enqueueProbes } from '../support/engine.ts'

const PROCESS = fileURLToPath(new URL('../support/worker-process.ts', import.meta.url))
const JOBS = 4
/** A slow machine may keep a worker from its beats for a while: it is not lost for that, nor are its jobs. */
const WORKER_LOST_MS = '10000'

const site = await openSite({ worker: false })
if (site) {
  testDrain(site)
  testKill(site)
} else test('a killed worker in a browser', { skip: NO_BROWSER }, () => {})

function testKill(site: Site): void {
  test('a worker that is killed is seen to die, and its jobs to come back and end', async () => {
    const victim = await startWorker(site.database.ownerUrl)
    const { page, faults } = await open(site, '/console/workers')
    await signIn(page)
    const ids = await enqueueProbes(site.database, JOBS, { sleep_ms: 3_600_000, marker: 'kill' })
    const card = page.locator(`#worker-${victim.worker}`)
    await card.getByText(`${JOBS} jobs`, { exact: true }).waitFor()
    await card.getByText(`job:${ids[0]}`).waitFor()
    const count = async (status: string) =>
      Number((await site.database.owner('select count(*) as count from job_queue where status::text = $1 and id = any($2)', [status, ids]))[0]!['count'])
    await until(async () => (await count('running')) === JOBS, 'each of them is known to run')

    victim.process.kill('SIGKILL')
    await once(victim.process, 'exit')
    await site.database.owner(`update job_queue set payload = payload - 'sleep_ms' where id = any($1)`, [ids])
    const letGo = await holdEffects(site.database.ownerUrl)
    const survivor = await startWorker(site.database.ownerUrl)
    await page.locator(`li#worker-${victim.worker}`).getByText('lost').waitFor()
    await page.locator(`#worker-${survivor.worker}`).getByText(`job:${ids[0]}`).waitFor()
    await letGo()

    await page.goto(`${site.address}/console/jobs/${ids[0]}`)
    await page.locator('.timeline').getByText('SUCCEED').waitFor()
    await eventually(async () =>
      assert.deepEqual(await page.locator('.entry-event').allTextContents(), ['ENQUEUE', 'CLAIM', 'START', 'LOSE', 'CLAIM', 'START', 'SUCCEED']),
    )
    await eventually(async () => assert.equal(await page.locator('.state.lit .state-name').textContent(), 'done'))

    await page.goto(`${site.address}/console/machines`)
    await page.getByRole('link', { name: new RegExp(`LOSE.*: running to retried, ${JOBS} times$`) }).waitFor()
    await page.goto(`${site.address}/console/health`)
    await page.locator('.tile', { hasText: 'Log violations' }).getByText('0', { exact: true }).waitFor()
    await until(async () => (await count('done')) === JOBS, 'all of them end')
    const effects = await site.database.owner(`select job_id from probe_effects where marker = 'kill' order by job_id`)
    assert.deepEqual(
      effects.map((row) => Number(row['job_id'])),
      ids,
    )
    assert.deepEqual(await site.database.owner('select * from job_log_violations'), [])
    assert.deepEqual(faults, [])
  })
}

function testDrain(site: Site): void {
  test('a worker that is asked to drain, with the keyboard alone, says so, finishes its job and is gone', async () => {
    const { worker } = await startWorker(site.database.ownerUrl, { DRAIN_MS: '600000' })
    const { page, faults } = await open(site, '/console/workers')
    await signIn(page)
    const letGo = await holdEffects(site.database.ownerUrl)
    const [job] = await enqueueProbes(site.database, 1, { marker: 'drain' })
    const card = page.locator(`article#worker-${worker}`)
    await card.getByText(`job:${job}`).waitFor()
    await card.getByRole('button', { name: /^Drain worker/ }).press('Enter')
    await card.getByText('finishes or gives back its job').waitFor()
    await page.keyboard.press('Enter')
    await card
      .locator('.worker-head .chip')
      .getByText(/^(asked to drain|draining)$/)
      .waitFor()
    await letGo()
    await page.locator(`li#worker-${worker}`).getByText('stopped').waitFor()
    const [row] = await site.database.owner('select status, attempt from job_queue where id = $1', [job])
    assert.deepEqual(row, { status: 'done', attempt: 1 })
    const asked = await site.database.owner(`select entity_id from audit_log where action = 'worker.drain'`)
    assert.deepEqual(asked, [{ entity_id: String(worker) }])
    assert.deepEqual(faults, [])
  })
}

/** Has jobs that leave an effect wait with it, until they are let go: how long they run is the test's to say, not a clock's. */
async function holdEffects(ownerUrl: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  after(() => client.end())
  await client.query('begin; lock table probe_effects in share mode')
  return async () => {
    await client.query('commit')
  }
}

async function startWorker(ownerUrl: string, settings: Record<string, string> = {}): Promise<{ process: ChildProcess; worker: number }> {
  const child = fork(PROCESS, [ownerUrl], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, WORKER_LOST_MS, ...settings } })
  after(() => child.kill('SIGKILL'))
  const [message] = (await once(child, 'message')) as [{ worker: number }]
  return { process: child, worker: message.worker }
}
