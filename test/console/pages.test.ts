import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, pressInTurn, signIn, typeInto } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { enqueueProbes } from '../support/engine.ts'
import { until } from '../support/database.ts'

const site = await openSite()
if (site) await testPages(site)
else test('every page in a browser', { skip: NO_BROWSER }, () => {})

async function testPages(site: Site): Promise<void> {
  await enqueueProbes(site.database, 30)
  await enqueueProbes(site.database, 2, { fail_times: 1 })
  const [dead] = await enqueueProbes(site.database, 1, { permanent: true, fail_times: 1, marker: 'a marker to be found' })
  const unfinished = async () => Number((await site.database.owner('select count(*) as count from job_queue where finished_at is null'))[0]!['count'])
  await until(async () => (await unfinished()) === 0, 'all probes end')

  /** Each page, with a text that is there when its data are. */
  const pages: [string, string][] = [
    ['/console/', 'PROBE'],
    ['/console/machines', 'p95'],
    ['/console/machines?edge=running%3Efailed', 'PermanentFailure'],
    ['/console/machines?machine=worker', 'worker machine'],
    ['/console/jobs', 'PROBE'],
    [`/console/jobs/${dead}`, 'What happened'],
    ['/console/queues', 'Throughput'],
    ['/console/workers', 'heartbeat'],
    ['/console/health', 'Log violations'],
    ['/console/nowhere', 'There is nothing at this address'],
  ]
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds no serious fault on any page of the console, ${colorScheme}`, async () => {
      const { page, faults } = await open(site, '/console/', { colorScheme, reducedMotion: 'reduce' })
      await signIn(page)
      const found: string[] = []
      for (const [path, text] of pages) {
        await page.goto(site.address + path)
        await page.getByText(text).first().waitFor()
        found.push(...(await violationsOf(page)).map((violation) => `${path} ${violation}`))
      }
      assert.deepEqual(found, [])
      assert.deepEqual(faults, [])
    })
  }

  test('every page of the console is reached by keys, and the palette finds the commands', async () => {
    const { page, faults } = await open(site, '/console/')
    await signIn(page)
    await page.getByText('Newest jobs').waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).getByText('Go to Workers').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await pressInTurn(page, 'g', 'w')
    await page.waitForURL('**/console/workers')
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Commands' }).waitFor()
    await typeInto(page.getByRole('dialog', { name: 'Commands' }).getByRole('combobox'), 'health')
    await page.getByRole('option', { name: /Go to Health/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL('**/console/health')
    await pressInTurn(page, 'g', 'j')
    await page.waitForURL('**/console/jobs')
    await page.locator('.row').first().waitFor()
    await page.keyboard.press('/')
    await eventually(async () => assert.equal(await page.evaluate<string>('document.activeElement.getAttribute("aria-label")'), 'Search in jobs'))
    assert.deepEqual(faults, [])
  })

  test('a click on an arrow lists the jobs that took it, and the rare path leads to its job', async () => {
    const { page, faults } = await open(site, '/console/machines')
    await signIn(page)
    await page.getByRole('link', { name: /^FAIL TIMEOUT LOSE .*: running to failed, once$/ }).click()
    await page.getByRole('heading', { name: 'From running to failed' }).waitFor()
    await page
      .getByRole('link', { name: `#${dead}` })
      .first()
      .click()
    await page.waitForURL(`**/console/jobs/${dead}`)
    assert.deepEqual(faults, [])
  })

  test('a job is played back event by event, its stack is shown, and its payload searched', async () => {
    const { page, faults } = await open(site, `/console/jobs/${dead}`)
    await signIn(page)
    await page.getByText('live, event 4').waitFor()
    const lit = page.locator('.state.lit .state-name')
    await eventually(async () => assert.equal(await lit.textContent(), 'failed'))
    await page.getByLabel('Replay').focus()
    await page.keyboard.press('Home')
    await page.getByText('event 1 of 4').waitFor()
    await page.locator('.replay-words').getByText('ENQUEUE').waitFor()
    await eventually(async () => assert.equal(await lit.textContent(), 'queued'))
    await page.getByRole('button', { name: 'Live' }).click()
    await page.getByText('stack', { exact: true }).click()
    await page.locator('.entry pre').getByText('PermanentFailure').first().waitFor()
    await page.getByLabel('Find in payload and result').fill('to be found')
    await page.locator('mark', { hasText: 'to be found' }).waitFor()
    assert.deepEqual(faults, [])
  })

  test('jobs are searched by any field, a view of them is kept, and many are moved after a preview', async () => {
    const { page, faults } = await open(site, '/console/jobs')
    await signIn(page)
    await page.getByLabel('Search in jobs').fill('state:failed marker to be found')
    await page.waitForURL('**/console/jobs?status=failed&q=marker+to+be+found')
    await eventually(async () => assert.equal(await page.locator('.row').count(), 1))
    await page.getByRole('button', { name: 'Save this view' }).click()
    await page.getByLabel('Name of the view').fill('Marked')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Marked', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Queue again' }).click()
    await page.getByText('Queue again 1 job?').waitFor()
    await page.getByRole('button', { name: 'Leave them' }).click()
    await page.getByLabel(`Choose job ${dead}`).check()
    await page.getByRole('button', { name: 'Queue again' }).click()
    await page.getByText('Queue again 1 job?').waitFor()
    await page.getByRole('button', { name: 'Yes, queue again' }).click()
    await page.getByText('1 moved').waitFor()
    await until(async () => (await unfinished()) === 0, 'it ends again')
    assert.equal(
      Number((await site.database.owner(`select count(*) as count from job_events where job_id = $1 and event = 'REQUEUE'`, [dead]))[0]!['count']),
      1,
    )
    assert.deepEqual(faults, [])
  })

  test('a saved view is there in another browser too, is used, renamed and shared there, and forgotten', async () => {
    const { page: first } = await open(site, '/console/jobs?status=done&q=a%2Bb%26c')
    await signIn(first)
    await first.getByRole('button', { name: 'Save this view' }).click()
    await first.getByLabel('Name of the view').fill('Elsewhere')
    await first.getByRole('button', { name: 'Save', exact: true }).click()
    await first.getByRole('link', { name: 'Elsewhere', exact: true }).waitFor()

    const { page, faults } = await open(site, '/console/jobs')
    await signIn(page)
    await page.getByRole('link', { name: 'Elsewhere', exact: true }).click()
    await page.waitForURL('**/console/jobs?q=a%2Bb%26c&status=done')
    await eventually(async () => assert.equal(await page.getByLabel('Search in jobs').inputValue(), 'state:done a+b&c'))
    await page.getByRole('button', { name: 'Change this view' }).click()
    await page.getByLabel('Name of the view').fill('Here')
    await page.getByLabel('Share it').check()
    await page.getByRole('button', { name: 'Keep', exact: true }).click()
    await page.getByRole('link', { name: 'Here', exact: true }).waitFor()
    const kept = await site.database.owner('select name, is_shared, query from job_views where name in ($1, $2)', ['Elsewhere', 'Here'])
    assert.deepEqual(kept, [{ name: 'Here', is_shared: true, query: 'q=a%2Bb%26c&status=done' }])
    await page.getByRole('button', { name: 'Forget the view Here' }).click()
    await page.getByRole('link', { name: 'Here', exact: true }).waitFor({ state: 'detached' })
    await page.reload()
    await page.getByRole('button', { name: 'Save this view' }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'Here', exact: true }).count(), 0)
    assert.deepEqual(faults, [])
  })

  test('rows stand still under the pointer, and new ones come when they are asked for', async () => {
    const { page } = await open(site, '/console/jobs')
    await signIn(page)
    const first = page.locator('.jobs .row-link').first()
    await first.waitFor()
    const before = await first.textContent()
    await page.locator('.jobs tbody tr').nth(3).hover()
    const [newest] = await enqueueProbes(site.database, 3)
    await page.getByRole('button', { name: '3 newer: show' }).waitFor()
    assert.equal(await first.textContent(), before)
    await page.mouse.move(2, 2)
    await page.getByRole('link', { name: new RegExp(`^Job ${newest},`) }).waitFor()
  })

  test('a queue is limited, and a schedule runs now', async () => {
    const { page, faults } = await open(site, '/console/queues')
    await signIn(page)
    await page.getByRole('button', { name: 'Limits of mail' }).click()
    await page.getByLabel('At most held at a time').fill('7')
    await page.getByRole('button', { name: 'Keep' }).click()
    await page.getByText('0 of at most 7 held').waitFor()
    await page.getByRole('button', { name: 'Run now: cleanup' }).click()
    await page
      .locator('tr', { hasText: 'cleanup' })
      .getByRole('link', { name: /^#\d+$/ })
      .click()
    await page.getByText('CLEANUP').first().waitFor()
    assert.deepEqual(faults, [])
  })
}
