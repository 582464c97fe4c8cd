import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Request } from 'playwright-core'
import { eventually, NO_BROWSER, open, openSite, OPERATOR, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { until } from '../support/database.ts'

const site = await openSite()
if (site) testConsole(site)
else test('the console in a browser', { skip: NO_BROWSER }, () => {})

const FIRST_LOAD_BYTES_MAX = 200_000

function testConsole(site: Site): void {
  test('the first load is below 200 kB on the wire, compressed', async () => {
    const page = await (await site.window()).newPage()
    const loaded: Request[] = []
    page.on('requestfinished', (request) => loaded.push(request))
    await page.goto(`${site.address}/console/`)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await until(() => loaded.some((request) => request.url().endsWith('.css')) && loaded.some((request) => request.url().endsWith('.js')), 'all is loaded')
    const sizes = await Promise.all(loaded.map((request) => request.sizes()))
    const bytes = sizes.reduce((sum, { responseHeadersSize, responseBodySize }) => sum + responseHeadersSize + responseBodySize, 0)
    assert.ok(bytes > 10_000 && bytes < FIRST_LOAD_BYTES_MAX, `${bytes} bytes`)
    const script = await loaded.find((request) => request.url().endsWith('.js'))!.response()
    assert.match((await script!.allHeaders())['content-encoding'] ?? 'none', /^(br|gzip)$/)
  })

  test('a wrong password is told plainly, and the right one leads to the address that was asked for', async () => {
    const { page } = await open(site, '/console/?status=failed')
    await page.getByLabel('E-mail').fill(OPERATOR.email)
    await page.getByLabel('Password').fill('not this one')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('do not go together').waitFor()
    await signIn(page)
    await page.getByText('No job matches these filters').waitFor()
    await page.waitForURL('**/console/?status=failed')
  })

  test('probes move through the machine, and one of them is followed to its end', async () => {
    const { page, faults } = await open(site, '/console/')
    await signIn(page)
    await page.getByRole('heading', { name: 'job machine' }).waitFor()
    await page.getByRole('button', { name: 'Send 20 probes' }).click()
    await page.getByRole('link', { name: 'done: 20', exact: true }).waitFor()
    await page.getByRole('link', { name: 'done: 20', exact: true }).click()
    await page.waitForURL('**/console/?status=done')

    // The first that was sent stumbles twice; it is the last in the list.
    await page.locator('.row-link').first().focus()
    await page.keyboard.press('End')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/console/jobs/*')
    await page.locator('.timeline').getByText('SUCCEED').waitFor()
    const attempt = ['CLAIM', 'START']
    await eventually(async () =>
      assert.deepEqual(await page.locator('.entry-event').allTextContents(), ['ENQUEUE', ...attempt, 'FAIL', ...attempt, 'FAIL', ...attempt, 'SUCCEED']),
    )
    await page.getByText('START ×3').waitFor()
    await eventually(async () => assert.equal(await page.locator('.state.lit .state-name').textContent(), 'done'))
    assert.deepEqual(faults, [])
  })

  test('a paused queue holds its job, which says why it waits and can be cancelled and tried again', async () => {
    const { page, faults } = await open(site, '/console/')
    await signIn(page)
    await page.getByRole('button', { name: 'pause default' }).click()
    await page.getByRole('button', { name: 'resume default' }).waitFor()
    await page.getByRole('button', { name: 'Send 20 probes' }).click()
    await page.getByRole('link', { name: 'queued: 20', exact: true }).waitFor()
    // The list may still show what it showed before: the drawing is asked for at other moments.
    await page.locator('.row-link[aria-label$=", queued"]').first().click()
    await page.getByText('its queue is paused').waitFor()
    await page.getByRole('button', { name: 'Cancel job' }).click()
    await page.getByRole('button', { name: 'Yes, cancel it' }).click()
    await page.locator('.job-title').getByText('cancelled').waitFor()
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.locator('.job-title').getByText('queued').waitFor()
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await page.getByRole('button', { name: 'resume default' }).click()
    await page.getByRole('link', { name: 'done: 40', exact: true }).waitFor()
    assert.deepEqual(faults, [])
  })

  test('the page says that the API is gone, keeps what it showed, and goes on when it is back', async () => {
    const { page } = await open(site, '/console/')
    await signIn(page)
    await page.locator('.row').first().waitFor()
    await page.context().setOffline(true)
    await page.getByRole('alert').getByText('The API does not answer').waitFor()
    await page.locator('.row').first().waitFor()
    await page.context().setOffline(false)
    await page.getByRole('alert').waitFor({ state: 'detached' })
  })

  test('nothing is wider than a screen of 320 pixels', async () => {
    const { page } = await open(site, '/console/')
    await page.setViewportSize({ width: 320, height: 640 })
    await signIn(page)
    await page.locator('.row').first().waitFor()
    await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320))
    await page.locator('.row-link').first().click()
    await page.locator('.timeline').waitFor()
    await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320))
  })

  test('signing out leaves nothing behind', async () => {
    const { page } = await open(site, '/console/')
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await eventually(async () => assert.equal(await page.evaluate<number>('sessionStorage.length'), 0))
  })
}
