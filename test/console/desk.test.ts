import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedDemo } from '#demo/seed.ts'
import { hashPassword } from '#http/passwords.ts'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, signIn, typeInto } from '../support/browser.ts'
import type { Person, Site } from '../support/browser.ts'
import { until } from '../support/database.ts'

const site = await openSite()
if (site) await testDesk(site)
else test('the desk in a browser', { skip: NO_BROWSER }, () => {})

async function testDesk(site: Site): Promise<void> {
  const demo = (await seedDemo(site.database, { hash: hashPassword }))!
  const personOf = (role: string): Person => demo.users.find((user) => user.role === role)!
  const agent = personOf('agent')
  const one = async (statement: string, values: unknown[] = []) => (await site.database.owner(statement, values))[0]!
  await until(
    async () => Number((await one('select count(*) as count from job_queue where finished_at is null'))['count']) === 0,
    'the jobs of the tickets end',
    180_000,
  )
  const drafted = await site.database.owner<{ ticket_id: string; id: string }>(
    `select ticket_id, ai_suggestions.id from ai_suggestions join tickets on tickets.id = ticket_id where tickets.status = 'new' order by number`,
  )
  const [first, second, third] = drafted
  assert.ok(first && second && third, 'the demo has drafts')
  const triaged = await one(
    `select ticket_id from ai_predictions join tickets on tickets.id = ticket_id where field = 'category' and state = 'offered' order by number limit 1 offset 1`,
  )
  const address = (id: unknown) => `/desk/tickets/${String(id)}`

  test('the list is worked by keys alone, and a ticket is accepted', async () => {
    const { page } = await open(site, '/desk/')
    await signIn(page, agent)
    await page.getByRole('heading', { name: 'No clock runs' }).waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await eventually(async () =>
      assert.equal(await page.evaluate<boolean>('document.activeElement === document.querySelectorAll(".tickets .row-link")[1]'), true),
    )
    await page.keyboard.press('Enter')
    await page.waitForURL('**/desk/tickets/*')
    await page.getByRole('button', { name: 'Accept', exact: true }).click()
    await page.locator('.ticket-head').getByText('accepted').waitFor()
    await page.getByText('0 ms of').or(page.getByText('counted')).first().waitFor()
    await page.locator('h1').focus()
    await page.keyboard.press('a')
    await page.locator('.ticket-head').getByText('assigned').waitFor()
    await page.keyboard.press('u')
    await page.waitForURL('**/desk/')
    await page.getByRole('link', { name: 'Mine' }).click()
    await page.locator('.ticket', { hasText: 'assigned' }).waitFor()
    await eventually(async () => assert.equal(await page.locator('.ticket').count(), 1))
  })

  test('a draft survives a reload, keeps what was written while the API is away, and is sent by Ctrl-Enter', async () => {
    const { page } = await open(site, address(second.ticket_id))
    await signIn(page, agent)
    const box = page.getByLabel('Reply to the customer')
    await box.fill('We are on our way.')
    await page.reload()
    await eventually(async () => assert.equal(await box.inputValue(), 'We are on our way.'))
    await page.context().setOffline(true)
    await box.press('Control+Enter')
    await page.locator('.composer').getByRole('alert').waitFor()
    await eventually(async () => assert.equal(await box.inputValue(), 'We are on our way.'))
    await page.context().setOffline(false)
    await box.press('Control+Enter')
    await page.locator('.said-staff', { hasText: 'We are on our way.' }).waitFor()
    await eventually(async () => assert.equal(await box.inputValue(), ''))
    await page.locator('h1').focus()
    await page.keyboard.press('n')
    await page.getByLabel('Internal note', { exact: true }).last().fill('Ask Grace.')
    await page.getByRole('button', { name: 'Add note' }).click()
    await page.locator('.said-note', { hasText: 'Ask Grace.' }).waitFor()
    const rows = await site.database.owner('select content, is_internal from comments where ticket_id = $1 order by created_at', [second.ticket_id])
    assert.deepEqual(rows, [
      { content: 'We are on our way.', is_internal: false },
      { content: 'Ask Grace.', is_internal: true },
    ])
  })

  test('a suggested reply is shown with its sources, changed, and sent as the decision on it; another is dismissed', async () => {
    const { page } = await open(site, address(first.ticket_id))
    await signIn(page, agent)
    await page.getByRole('heading', { name: 'Suggested reply' }).waitFor()
    await page.locator('.sources blockquote').first().waitFor()
    await page.getByRole('button', { name: 'Edit and send' }).click()
    const box = page.getByLabel('Reply to the customer')
    await eventually(async () => assert.notEqual(await box.inputValue(), ''))
    await box.press('Control+End')
    await box.pressSequentially(' Call us any time.')
    await page.getByRole('button', { name: 'Send reply' }).click()
    await page.locator('.said-staff', { hasText: 'Call us any time.' }).waitFor()
    await page.getByRole('heading', { name: 'Suggested reply' }).waitFor({ state: 'detached' })
    assert.equal((await one('select state from ai_suggestions where id = $1', [first.id]))['state'], 'edited')
    await page.goto(site.address + address(third.ticket_id))
    await page.getByRole('button', { name: 'Dismiss' }).click()
    await page.getByRole('heading', { name: 'Suggested reply' }).waitFor({ state: 'detached' })
    assert.equal((await one('select state from ai_suggestions where id = $1', [third.id]))['state'], 'rejected')
  })

  test('triage is applied field by field', async () => {
    const { page } = await open(site, address(triaged['ticket_id']))
    await signIn(page, agent)
    await page
      .locator('.triage-field', { hasText: 'category' })
      .getByText(/because of .+ \(\d+\.\d\d\)/)
      .waitFor()
    await page.getByRole('button', { name: 'Apply category' }).click()
    await page.locator('.triage-field', { hasText: 'category' }).getByText('accepted').waitFor()
    assert.notEqual((await one('select service_id from tickets where id = $1', [triaged['ticket_id']]))['service_id'], null)
  })

  test('the palette finds commands and tickets, and "?" tells the keys', async () => {
    const { page } = await open(site, '/desk/')
    await signIn(page, agent)
    await page.locator('.ticket').first().waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).getByText('Go to the list').waitFor()
    assert.deepEqual(await violationsOf(page), [])
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Commands' }).waitFor()
    await typeInto(page.getByRole('dialog', { name: 'Commands' }).getByRole('combobox'), 'puddle')
    await page
      .getByRole('option', { name: /Puddle under the machine/ })
      .first()
      .waitFor()
    assert.deepEqual(await violationsOf(page), [])
    await page.keyboard.press('Enter')
    await page.waitForURL('**/desk/tickets/*')
    await page.getByRole('heading', { name: /Puddle/ }).waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Commands' }).waitFor()
    await typeInto(page.getByRole('dialog', { name: 'Commands' }).getByRole('combobox'), 'cancel')
    await page.getByRole('option', { name: /Move to cancelled/ }).waitFor()
  })

  test('two who have the same ticket open see each other', async () => {
    const [mine, theirs] = [await open(site, address(second.ticket_id)), await open(site, address(second.ticket_id))]
    await signIn(mine.page, agent)
    await signIn(theirs.page, personOf('manager'))
    await theirs.page.getByText('Tomás Pereira has this open').waitFor()
    await theirs.page.close()
  })

  test('a file is attached, and comes back as it was', async () => {
    const { page } = await open(site, address(second.ticket_id))
    await signIn(page, agent)
    await page.locator('.attach input').setInputFiles({ name: 'log.txt', mimeType: 'text/plain', buffer: Buffer.from('line one') })
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'log.txt' }).click()])
    const chunks: Buffer[] = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
    assert.deepEqual([download.suggestedFilename(), Buffer.concat(chunks).toString()], ['log.txt', 'line one'])
  })

  test('a change that meets another one is not written over it', async () => {
    const { page } = await open(site, address(third.ticket_id))
    await signIn(page, agent)
    await page.getByRole('combobox', { name: 'Priority' }).waitFor()
    await page.route(`**/api/v1/tickets/${third.ticket_id}`, async (route) => {
      if (route.request().method() === 'PATCH') await site.database.owner('update tickets set version = version + 1 where id = $1', [third.ticket_id])
      await route.continue()
    })
    await page.getByRole('combobox', { name: 'Priority' }).selectOption('urgent')
    await page.getByText('Somebody changed this ticket meanwhile').waitFor()
    await page.unrouteAll({ behavior: 'wait' })
    assert.notEqual((await one('select priority from tickets where id = $1', [third.ticket_id]))['priority'], 'urgent')
  })

  test('a message of a customer comes by itself, and a customer has no desk', async () => {
    const { page } = await open(site, address(second.ticket_id))
    await signIn(page, agent)
    await page.locator('.said').first().waitFor()
    const other = await open(site, '/desk/')
    await signIn(other.page, personOf('customer_user'))
    await other.page.getByText('The desk is for the people who answer').waitFor()
    await site.database.owner(
      `insert into comments (organization_id, ticket_id, author_id, content) select organization_id, id, requester_id, 'It drips again.' from tickets where id = $1`,
      [second.ticket_id],
    )
    await page.locator('.said-customer', { hasText: 'It drips again.' }).waitFor()
  })

  test('beyond its first page the list goes on, the most urgent first', async () => {
    await site.database.owner(
      `insert into tickets (organization_id, number, subject, description, requester_id)
       select organization_id, 1000 + n, 'Many of them ' || n, 'd', requester_id from tickets, generate_series(1, 120) n where id = $1`,
      [second.ticket_id],
    )
    const { page } = await open(site, '/desk/?q=Many+of+them')
    await signIn(page, agent)
    await page.getByRole('button', { name: 'Show 100 more' }).click()
    await eventually(async () => assert.equal(await page.locator('.ticket').count(), 120))
    await site.database.owner(`delete from tickets where number > 1000`)
  })
}
