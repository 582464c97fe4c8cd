import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSync } from 'otplib'
import type { Page } from 'playwright-core'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, signIn, typeInto } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { sendWaitingMail } from '../support/mail.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'

const NEW_PASSWORD = 'seven quiet lanterns over gravel'

const site = await openSite({ worker: false })
if (site) await testSecondFactor(site)
else test('a second factor in a browser', { skip: NO_BROWSER }, () => {})

async function testSecondFactor(site: Site): Promise<void> {
  const { database } = site
  const organization = await createOrganization(database)
  await database.owner(`insert into account_policies (organization_id, two_factor_roles) values ($1, '{manager}')`, [organization.id])

  /** A code of the step before or after the present one is good as well, so that one was not used before. */
  const codeOf = (secret: string, steps = 0) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + steps * 30 })
  const type = async (page: Page, email: string, password: string) => {
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.keyboard.press('Enter')
  }
  const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true })
  /** From the password to the recovery codes, with the keyboard alone. @returns the app's secret and the codes */
  const setUp = async (page: Page): Promise<{ secret: string; codes: string[] }> => {
    await page.getByLabel('Your password').waitFor()
    await typeInto(page.getByLabel('Your password'), 'not this one')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('This is not your password').waitFor()
    await typeInto(page.getByLabel('Your password'), PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByRole('img', { name: /^QR code/ }).waitFor()
    assert.deepEqual(await violationsOf(page), [])
    const secret = (await page.locator('.factor-secret code').textContent())!.replaceAll(' ', '')
    await typeInto(page.getByLabel('Code', { exact: true }), codeOf(secret, 10))
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('This code is wrong').waitFor()
    await typeInto(page.getByLabel('Code', { exact: true }), codeOf(secret))
    await page.keyboard.press('Enter')
    await page.locator('.codes li').first().waitFor()
    return { secret, codes: await page.locator('.codes li').allTextContents() }
  }

  test('who signs in without the second factor that is demanded sets one up, keeps the codes, and goes on', async () => {
    const user = await createUser(database, 'manager', organization)
    const { page } = await open(site, '/console/sla', { viewport: { width: 320, height: 640 } })
    await type(page, user.email, PASSWORD)
    await heading(page, 'Set up a second factor').waitFor()
    const { codes } = await setUp(page)
    assert.equal(codes.length, 10)
    await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320))
    assert.deepEqual(await violationsOf(page), [])
    assert.equal(await page.getByRole('button', { name: 'Go on' }).isEnabled(), false, 'not before they are kept')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
    const chunks: Buffer[] = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
    assert.deepEqual(Buffer.concat(chunks).toString().trim().split('\n'), codes)
    await page.getByLabel('I have kept them').check()
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await page.getByRole('heading', { name: 'Due within the hour' }).waitFor()

    await page.getByRole('button', { name: 'Sign out' }).click()
    await type(page, user.email, PASSWORD)
    await page.getByLabel('Code', { exact: true }).fill(codes[0]!)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
  })

  test('a second factor is switched on, gets new recovery codes, and is switched off on the page of the account', async () => {
    const user = await createUser(database, 'agent', organization)
    const { page } = await open(site, '/console/account')
    await signIn(page, { email: user.email, password: PASSWORD })
    await page.getByRole('button', { name: 'Set up a second factor' }).click()
    const { secret, codes } = await setUp(page)
    await page.getByLabel('I have kept them').check()
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByText('10 recovery codes are left').waitFor()

    await page.getByRole('button', { name: 'New recovery codes' }).click()
    await typeInto(page.getByLabel('Code', { exact: true }), codes[0]!)
    await page.keyboard.press('Enter')
    await page.locator('.codes li').first().waitFor()
    const fresh = await page.locator('.codes li').allTextContents()
    assert.deepEqual(
      fresh.filter((code) => codes.includes(code)),
      [],
    )
    await page.getByLabel('I have kept them').check()
    await page.getByRole('button', { name: 'Done' }).click()

    await page.getByRole('button', { name: 'Switch it off' }).click()
    await page.getByLabel('Your password').fill(PASSWORD)
    await page.getByLabel('Code', { exact: true }).fill(codes[1]!)
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('This code is wrong').waitFor()
    await page.getByLabel('Code', { exact: true }).fill(codeOf(secret, 1))
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Set up a second factor' }).waitFor()
    const actions = await database.owner(`select action from audit_log where entity_id = $1 and action like 'two_factor.%' order by id`, [user.id])
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['two_factor.enable', 'two_factor.recovery_codes', 'two_factor.disable'],
    )
  })

  test('a password is changed, and everybody who was signed in is signed out', async () => {
    const user = await createUser(database, 'agent', organization)
    const [here, there] = [await open(site, '/console/account'), await open(site, '/desk/')]
    for (const { page } of [here, there]) await signIn(page, { email: user.email, password: PASSWORD })
    const { page } = here
    await page.getByLabel('Present password').fill('not this one')
    await page.getByLabel('New password').fill(NEW_PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('not your password').waitFor()
    await typeInto(page.getByLabel('Present password'), PASSWORD)
    await page.getByLabel('New password').fill('password1234')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('too easily guessed').waitFor()
    await page.getByLabel('New password').fill(NEW_PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByText('Your password is changed').waitFor()
    await there.page.getByText('Your session has ended').waitFor()
    await signIn(page, { email: user.email, password: NEW_PASSWORD })
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('button', { name: 'Yes, sign out everywhere' }).click()
    await page.getByText('You are signed out everywhere').waitFor()
  })

  test('a customer asks for an account, and the mail leads to it', async () => {
    const email = `kim-${Date.now()}@example.com`
    const { page, faults } = await open(site, `/console/register?organization=${organization.slug}`, { viewport: { width: 320, height: 640 } })
    await heading(page, 'Ask for an account').waitFor()
    assert.deepEqual(await violationsOf(page), [])
    await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320))
    await page.getByLabel('Your name').fill('Kim')
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password', { exact: true }).fill('password1234')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('too easily guessed').waitFor()
    await page.getByLabel('Password', { exact: true }).fill(NEW_PASSWORD)
    await page.keyboard.press('Enter')
    await heading(page, 'Look into your mail').waitFor()
    await sendWaitingMail(database)
    const [mail] = await database.owner<{ body: string }>('select body from outgoing_mail where recipient = $1', [email])
    await page.goto(site.address + /https?:\/\/[^/]+(\/console\/\S+)/.exec(mail!.body)![1]!)
    await page.getByRole('button', { name: 'Yes, it is my address' }).click()
    await heading(page, 'Your address is confirmed').waitFor()
    await page.getByRole('link', { name: 'Sign in' }).click()
    await signIn(page, { email, password: NEW_PASSWORD })
    await page.goto(`${site.address}/console/account`)
    await page.getByText('customer user').first().waitFor()
    assert.deepEqual(
      faults.filter((fault) => !/status of 400/.test(fault)),
      [],
    )
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds no serious fault on the page of the account, and it is not wider than 320 pixels, ${colorScheme}`, async () => {
      const user = await createUser(database, 'agent', organization)
      const { page } = await open(site, '/console/account', { colorScheme, viewport: { width: 320, height: 640 } })
      await signIn(page, { email: user.email, password: PASSWORD })
      await page.getByRole('button', { name: 'Set up a second factor' }).waitFor()
      assert.deepEqual(await violationsOf(page), [])
      await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320))
    })
  }
}
