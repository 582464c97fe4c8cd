import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { generateSync } from 'otplib'
import type { Page } from 'playwright-core'
import { LIMITS } from '#config.ts'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, typeInto } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { mailedToken, sendWaitingMail } from '../support/mail.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'

const NEW_PASSWORD = 'seven quiet lanterns over gravel'

const site = await openSite({ worker: false })
if (site) await testAccountPages(site)
else test('the pages of an account in a browser', { skip: NO_BROWSER }, () => {})

async function testAccountPages(site: Site): Promise<void> {
  const { database } = site
  const organization = await createOrganization(database)

  const post = async (path: string, body: object, token?: string) => {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) }
    const response = await fetch(`${site.address}/api/v1/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.ok(response.ok, `${path}: ${response.status}`)
    return response.status === 204 ? {} : ((await response.json()) as Record<string, string>)
  }
  /** A code of the step after the present one is good as well, so that one was not used before. */
  const codeOf = (secret: string, steps = 0) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + steps * 30 })
  const type = async (page: Page, email: string, password: string) => {
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.keyboard.press('Enter')
  }
  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })
  /** What the page is asked for, path and query, as the mail has it. */
  const linkOf = async (email: string): Promise<string> => {
    await sendWaitingMail(database)
    const [mail] = await database.owner<{ body: string }>('select body from outgoing_mail where recipient = $1 order by created_at desc, job_id desc limit 1', [
      email,
    ])
    const link = /https?:\/\/[^/]+(\/console\/\S+)/.exec(mail?.body ?? '')?.[1]
    assert.ok(link, `no link in ${mail?.body}`)
    return link
  }

  test('a forgotten password is set anew by the link of a mail, with the keyboard alone, and opens the account', async () => {
    const user = await createUser(database, 'agent', organization)
    const { page, faults } = await open(site, '/desk/')
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await heading(page, 'Forgot your password?').waitFor()
    await typeInto(page.getByLabel('E-mail'), user.email)
    await page.keyboard.press('Enter')
    await heading(page, 'Look into your mail').waitFor()
    await eventually(async () => assert.equal(await page.evaluate<string>('document.activeElement.textContent'), 'Look into your mail'))

    await page.goto(site.address + (await linkOf(user.email)))
    await heading(page, 'Choose a new password').waitFor()
    await typeInto(page.getByLabel('New password', { exact: true }), 'short')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('at least 10').waitFor()
    await page.getByLabel('New password', { exact: true }).fill('password1234')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('too easily guessed').waitFor()
    await eventually(async () =>
      assert.equal(await page.getByLabel('New password', { exact: true }).inputValue(), 'password1234', 'what was typed is still there'),
    )
    await page.getByLabel('New password', { exact: true }).fill(NEW_PASSWORD)
    await page.keyboard.press('Enter')
    await heading(page, 'Your password is set').waitFor()
    await page.waitForURL((address) => address.search === '')

    await page.getByRole('link', { name: 'Sign in' }).click()
    await type(page, user.email, PASSWORD)
    await page.getByRole('alert').getByText('do not go together').waitFor()
    await type(page, user.email, NEW_PASSWORD)
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    assert.deepEqual(
      faults.filter((fault) => !/status of 40[013]/.test(fault)),
      [],
    )
  })

  test('who has no account is told the same, and a link that is used up leads to another one', async () => {
    const { page } = await open(site, '/console/forgot-password')
    await page.getByLabel('E-mail').fill('nobody@example.com')
    await page.keyboard.press('Enter')
    await heading(page, 'Look into your mail').waitFor()
    const user = await createUser(database, 'agent', organization)
    await post('forgot-password', { email: user.email })
    const token = await mailedToken(database, user.email)
    await page.goto(`${site.address}/console/reset-password?token=${token}`)
    await heading(page, 'Choose a new password').waitFor()
    await post('reset-password', { token, password: NEW_PASSWORD })
    await page.getByLabel('New password', { exact: true }).fill(`${NEW_PASSWORD}, again`)
    await page.keyboard.press('Enter')
    await heading(page, 'This link is not good any more').waitFor()
    await page.getByRole('link', { name: 'Ask for another one' }).click()
    await heading(page, 'Forgot your password?').waitFor()
  })

  test('a customer confirms an address by a press, not by opening; an old link leads to a new mail', async () => {
    const email = `${randomUUID()}@example.com`
    await post('register', { email, password: PASSWORD, full_name: 'Kim', organization: organization.slug })
    const first = await linkOf(email)
    const { page } = await open(site, '/console/verify-email?token=nonsense')
    await page.getByRole('button', { name: 'Yes, it is my address' }).click()
    await heading(page, 'This link is not good any more').waitFor()
    await page.getByLabel('E-mail').fill(email)
    await page.keyboard.press('Enter')
    await heading(page, 'Look into your mail').waitFor()
    const second = await linkOf(email)
    assert.notEqual(second, first)

    await page.goto(site.address + second)
    await heading(page, 'Confirm your address').waitFor()
    assert.equal((await database.owner('select from users where email = $1', [email])).length, 0)
    await page.getByRole('button', { name: 'Yes, it is my address' }).click()
    await heading(page, 'Your address is confirmed').waitFor()
    await page.getByRole('link', { name: 'Sign in' }).click()
    await type(page, email, PASSWORD)
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
  })

  test('a second factor is asked for where there is one; what was typed stays, and a wrong code is told', async () => {
    const user = await createUser(database, 'agent', organization)
    const { access_token } = await post('login', { email: user.email, password: PASSWORD })
    const { secret } = await post('2fa/enable', { password: PASSWORD }, access_token)
    await post('2fa/verify', { otp: codeOf(secret!) }, access_token)

    const { page } = await open(site, '/desk/')
    await type(page, user.email, PASSWORD)
    const code = page.getByLabel('Code', { exact: true })
    await code.waitFor()
    assert.equal(await code.getAttribute('autocomplete'), 'one-time-code')
    await page.getByRole('button', { name: 'Sign in', exact: true }).and(page.locator(':enabled')).waitFor()
    assert.equal(await page.getByRole('alert').count(), 0, 'a code that is asked for is no fault')
    await typeInto(code, '000000')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('This code is wrong').waitFor()
    await eventually(async () =>
      assert.deepEqual([await page.getByLabel('Password', { exact: true }).inputValue(), await code.inputValue()], [PASSWORD, '000000']),
    )
    // It is selected: what is typed takes its place.
    await typeInto(code, codeOf(secret!, 1))
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
  })

  test('a closed account says how long it is closed', async () => {
    const user = await createUser(database, 'agent', organization)
    const attempt = () =>
      fetch(`${site.address}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: user.email, password: 'not this one' }),
      })
    for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_PAIR; count += 1) assert.equal((await attempt()).status, 401)
    const { page } = await open(site, '/console/')
    await type(page, user.email, PASSWORD)
    await page
      .getByRole('alert')
      .getByText(/Too many attempts\. Wait 1[45] minutes/)
      .waitFor()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds no serious fault on any page of an account, and none is wider than 320 pixels, ${colorScheme}`, async () => {
      const { page, faults } = await open(site, '/console/', { colorScheme, viewport: { width: 320, height: 640 } })
      const pages: [string, string][] = [
        ['', 'Sign in'],
        ['forgot-password', 'Forgot your password?'],
        ['reset-password?token=one', 'Choose a new password'],
        ['reset-password', 'This link is not good any more'],
        ['verify-email?token=one', 'Confirm your address'],
        ['verify-email', 'This link is not good any more'],
      ]
      for (const [path, title] of pages) {
        await page.goto(`${site.address}/console/${path}`)
        await heading(page, title).waitFor()
        assert.deepEqual(await violationsOf(page), [], path)
        await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320, path))
      }
      assert.deepEqual(faults, [])
    })
  }
}
