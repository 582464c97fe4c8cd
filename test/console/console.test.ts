import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { startWorker } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { buildConsole } from '#console/build.ts'
import { insertUser } from '#db/users.ts'
import { hashPassword } from '#http/passwords.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { testDatabase } from '../support/database.ts'

const CHROMIUM = '/usr/bin/chromium'
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']
const OPERATOR = { email: 'operator@console.example', password: 'a password for the console test' }

if (existsSync(CHROMIUM)) {
  const address = await serve()
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
  after(() => browser.close())
  testConsole(browser, address)
} else {
  test('the console in a browser', { skip: `there is no ${CHROMIUM}` }, () => {})
}

function testConsole(browser: Browser, address: string): void {
  test('a wrong password is told plainly, and the right one leads to the address that was asked for', async () => {
    const { page } = await open(browser, address, '/console/?status=failed')
    await page.getByLabel('E-mail').fill(OPERATOR.email)
    await page.getByLabel('Password').fill('not this one')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('do not go together').waitFor()
    await signIn(page)
    await page.getByText('No job matches these filters').waitFor()
    assert.ok(page.url().endsWith('/console/?status=failed'))
  })

  test('probes move through the machine, and one of them is followed to its end', async () => {
    const { page, faults } = await open(browser, address, '/console/')
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
    const events = await page.locator('.entry-event').allTextContents()
    const attempt = ['CLAIM', 'START']
    assert.deepEqual(events, ['ENQUEUE', ...attempt, 'FAIL', ...attempt, 'FAIL', ...attempt, 'SUCCEED'])
    await page.getByText('START ×3').waitFor()
    assert.equal(await page.locator('.state.lit .state-name').textContent(), 'done')
    assert.deepEqual(faults, [])
  })

  test('a paused queue holds its job, which says why it waits and can be cancelled and tried again', async () => {
    const { page, faults } = await open(browser, address, '/console/')
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
    await page.getByRole('link', { name: 'Jobs', exact: true }).click()
    await page.getByRole('button', { name: 'resume default' }).click()
    await page.getByRole('link', { name: 'done: 40', exact: true }).waitFor()
    assert.deepEqual(faults, [])
  })

  test('the page says that the API is gone, keeps what it showed, and goes on when it is back', async () => {
    const { page } = await open(browser, address, '/console/')
    await signIn(page)
    await page.locator('.row').first().waitFor()
    await page.context().setOffline(true)
    await page.getByRole('alert').getByText('The API does not answer').waitFor()
    assert.ok((await page.locator('.row').count()) > 0)
    await page.context().setOffline(false)
    await page.getByRole('alert').waitFor({ state: 'detached' })
  })

  test('nothing is wider than a screen of 320 pixels', async () => {
    const { page } = await open(browser, address, '/console/')
    await page.setViewportSize({ width: 320, height: 640 })
    await signIn(page)
    await page.locator('.row').first().waitFor()
    assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320)
    await page.locator('.row-link').first().click()
    await page.locator('.timeline').waitFor()
    assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), 320)
  })

  test('signing out leaves nothing behind', async () => {
    const { page } = await open(browser, address, '/console/')
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    assert.equal(await page.evaluate<number>('sessionStorage.length'), 0)
  })
}

/** A server with the console, an operator and a worker. @returns where it listens */
async function serve(): Promise<string> {
  // Hooks run in the order in which they are made: this one comes before the one that drops the database.
  const closing: (() => Promise<unknown>)[] = []
  after(async () => {
    for (const close of closing.toReversed()) await close()
  })
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-console-'))
  closing.push(() => rm(directory, { recursive: true }))
  await buildConsole(directory)
  const database = await testDatabase()
  await insertUser(database.system, {
    organization_id: null,
    email: OPERATOR.email,
    password_hash: await hashPassword(OPERATOR.password),
    full_name: 'Console Operator',
    role: 'operator',
  })
  const config = readConfig({})
  const log = createLogger('silent', 'test')
  const server = await buildServer({ config, database, secret: 'a secret of the console test, long enough', log, consoleDirectory: directory })
  closing.push(() => server.close())
  await server.listen({ host: '127.0.0.1', port: 0 })
  const worker = await startWorker({ config, database, directUrl: database.ownerUrl, log })
  closing.push(() => worker.drain())
  return `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`
}

/** A page of its own, and what it complains about: errors in its script, refusals by the content security policy. */
async function open(browser: Browser, address: string, path: string): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await page.goto(address + path)
  return { page, faults }
}

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('E-mail').fill(OPERATOR.email)
  await page.getByLabel('Password').fill(OPERATOR.password)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}
