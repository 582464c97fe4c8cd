import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { until } from '../support/database.ts'
import { enqueueProbes } from '../support/engine.ts'

const site = await openSite()
if (site) await testNarrow(site)
else test('every page in a narrow browser', { skip: NO_BROWSER }, () => {})

async function testNarrow(site: Site): Promise<void> {
  await enqueueProbes(site.database, 30)
  const [dead] = await enqueueProbes(site.database, 1, { permanent: true, fail_times: 1 })
  const unfinished = async () => Number((await site.database.owner('select count(*) as count from job_queue where finished_at is null'))[0]!['count'])
  await until(async () => (await unfinished()) === 0, 'all probes end')

  /** Each page, with a text that is there when its data are. */
  const pages: [string, string][] = [
    ['/console/', 'PROBE'],
    ['/console/machines?edge=running%3Efailed', 'PermanentFailure'],
    ['/console/jobs', 'PROBE'],
    [`/console/jobs/${dead}`, 'What happened'],
    ['/console/queues', 'Throughput'],
    ['/console/workers', 'heartbeat'],
    ['/console/health', 'Log violations'],
    ['/console/account', 'Second factor'],
  ]
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`at 320 pixels no page of the console is wider, and axe finds no serious fault, ${colorScheme}`, async () => {
      const { page, faults } = await open(site, '/console/', { colorScheme, reducedMotion: 'reduce', viewport: { width: 320, height: 640 } })
      await signIn(page)
      const found: string[] = []
      for (const [path, text] of pages) {
        await page.goto(site.address + path)
        await page.getByText(text).first().waitFor()
        await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320, path))
        found.push(...(await violationsOf(page)).map((violation) => `${path} ${violation}`))
      }
      assert.deepEqual(found, [])
      assert.deepEqual(faults, [])
    })
  }
}
