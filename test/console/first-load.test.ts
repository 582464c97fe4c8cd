import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { enqueueProbes } from '../support/engine.ts'

const FIRST_LOAD_BYTES_MAX = 200_000

const site = await openSite()
if (site) testLoad(site)
else test('the first load in a browser', { skip: NO_BROWSER }, () => {})

function testLoad(site: Site): void {
  test(`a browser that knows nothing yet loads less than ${FIRST_LOAD_BYTES_MAX / 1_000} kB until a page stands with its data, and little afterwards`, async () => {
    await enqueueProbes(site.database, 25)
    const { page, faults } = await open(site, '/console/jobs')
    // As it came over the wire: header and body, compressed; 0 where it came from the browser's own cache.
    const loaded = () =>
      page.evaluate<number>(
        `performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((sum, { transferSize }) => sum + transferSize, 0)`,
      )
    await signIn(page)
    await page.locator('.jobs .row').first().waitFor()
    const first = await loaded()
    assert.ok(first > 0 && first < FIRST_LOAD_BYTES_MAX, `${first} bytes`)
    await page.reload()
    await page.locator('.jobs .row').first().waitFor()
    const again = await loaded()
    assert.ok(again < first / 2, `${again} bytes the second time, of ${first}`)
    assert.deepEqual(faults, [])
  })
}
