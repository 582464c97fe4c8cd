import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { eventually, NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { until } from '../support/database.ts'
import { enqueueProbes, jobOf } from '../support/engine.ts'

const site = await openSite()
if (site) testFocus(site)
else test('the focus in a browser', { skip: NO_BROWSER }, () => {})

/** What has the focus, by the name that it is read out under. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(`(document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim()`)

/** Waits until the page has asked the API for the same again, and drawn the answer. */
async function renewed(page: Page, path: string): Promise<void> {
  for (let answers = 0; answers < 2; answers += 1) await page.waitForResponse((response) => new URL(response.url()).pathname === path)
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
}

function testFocus(site: Site): void {
  test('a question before a job is cancelled keeps the focus where the person put it, gives it back, and leaves it on the page', async () => {
    const [job] = await enqueueProbes(site.database, 1, { sleep_ms: 600_000 })
    await until(async () => (await jobOf(site.database, job!))['status'] === 'running', 'it runs')
    const { page, faults } = await open(site, `/console/jobs/${job}`)
    await signIn(page)
    await page.getByRole('button', { name: 'Cancel job' }).focus()
    await page.keyboard.press('Enter')
    await eventually(async () => assert.equal(await focused(page), 'Yes, cancel it'))
    await page.keyboard.press('Tab')
    await eventually(async () => assert.equal(await focused(page), 'Keep it'))
    await renewed(page, `/api/v1/jobs/${job}`)
    assert.equal(await focused(page), 'Keep it', 'what comes in takes no focus away')
    await page.keyboard.press('Enter')
    await eventually(async () => assert.equal(await focused(page), 'Cancel job'))
    await page.keyboard.press('Enter')
    await eventually(async () => assert.equal(await focused(page), 'Yes, cancel it'))
    await page.keyboard.press('Enter')
    await page.getByText('CANCEL', { exact: true }).first().waitFor()
    await until(async () => (await jobOf(site.database, job!))['status'] === 'cancelled', 'it is cancelled')
    await eventually(async () => assert.match(await focused(page), new RegExp(`^#${job}`)))
    assert.deepEqual(faults, [])
  })

  test('a question before a worker drains keeps the focus where the person put it, and gives it back', async () => {
    const { page } = await open(site, '/console/workers')
    await signIn(page)
    const drain = page.getByRole('button', { name: /^Drain worker/ })
    const name = await drain.getAttribute('aria-label')
    await drain.focus()
    await page.keyboard.press('Enter')
    await eventually(async () => assert.equal(await focused(page), 'Yes, drain it'))
    await page.keyboard.press('Tab')
    await renewed(page, '/api/v1/workers')
    assert.equal(await focused(page), 'Leave it')
    await page.keyboard.press('Enter')
    await eventually(async () => assert.equal(await focused(page), name))
  })

  test('a link to a worker leads to its card', async () => {
    const [worker] = await site.database.owner<{ id: number }>(`select id from workers where status = 'active'`)
    const { page } = await open(site, `/console/workers#worker-${worker!.id}`)
    await signIn(page)
    await eventually(async () => assert.equal(await page.evaluate('document.activeElement.id'), `worker-${worker!.id}`))
  })

  test('a button that was pressed has the focus again when its deed is done', async () => {
    const { page } = await open(site, '/console/queues')
    await signIn(page)
    const run = page.getByRole('row', { name: /^cleanup/ }).getByRole('button', { name: /Run/ })
    await run.focus()
    const answered = page.waitForResponse((response) => response.url().endsWith('/schedules/cleanup/run'))
    await page.keyboard.press('Enter')
    await answered
    const words = await run.getAttribute('aria-label').then(async (label) => label ?? (await run.innerText()))
    await eventually(async () => assert.equal(await focused(page), words.trim()))
  })
}
