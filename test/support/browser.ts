import { AssertionError } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { startWorker } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { buildConsole } from '#console/build.ts'
import { insertUser } from '#db/users.ts'
import { hashPassword } from '#http/passwords.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { testDatabase } from './database.ts'
import type { TestDatabase } from './database.ts'

const CHROMIUM = '/usr/bin/chromium'
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']
/** How long a page may be about what it is waited for: it says that something is wrong, not how fast a machine is. */
const PATIENCE_MS = 120_000
const EVERY_MS = 20
/** A schedule to be run by hand: its slots come between no two steps of a test. */
const YEARLY = { name: 'cleanup', job_type: 'CLEANUP', cron: '0 0 1 1 *', payload: {}, per_organization: false }
export const NO_BROWSER = `there is no ${CHROMIUM}`
export const OPERATOR = { email: 'operator@console.example', password: 'a password for the console test' }

/** Somebody who signs in. */
export interface Person {
  email: string
  password: string
}

/** A server with the console and an operator, and a browser to look at it. */
export interface Site {
  address: string
  browser: Browser
  database: TestDatabase
  /** A window of its own for the present test: it is closed when the test has ended, so that no page polls behind another's back. */
  window(options?: BrowserContextOptions): Promise<BrowserContext>
}

/** Opens a site, with a worker unless told otherwise; null where there is no browser. */
export async function openSite({ worker: withWorker = true } = {}): Promise<Site | null> {
  if (!existsSync(CHROMIUM)) return null
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
  if (withWorker) {
    const worker = await startWorker({ config, database, directUrl: database.ownerUrl, log, schedules: [YEARLY] })
    closing.push(() => worker.drain())
  }
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET, timeout: PATIENCE_MS })
  closing.push(() => browser.close())
  const windows: BrowserContext[] = []
  afterEach(async () => {
    for (const context of windows.splice(0)) await context.close()
  })
  const window = async (options?: BrowserContextOptions) => {
    const context = await browser.newContext(options)
    context.setDefaultTimeout(PATIENCE_MS)
    windows.push(context)
    return context
  }
  return { address: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`, browser, database, window }
}

/** A page of its own, and what it complains about: errors in its script, refusals by the content security policy. */
export async function open(site: Site, path: string, options: BrowserContextOptions = {}): Promise<{ page: Page; faults: string[] }> {
  const page = await (await site.window(options)).newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await page.goto(site.address + path)
  return { page, faults }
}

export async function signIn(page: Page, { email, password }: Person = OPERATOR): Promise<void> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Sign out', exact: true }).waitFor()
}

/**
 * Repeats an assertion about a page until it holds: what an act causes is there some renders later, and nobody knows how many.
 * @throws what the assertion said last
 */
export async function eventually(assertion: () => Promise<void> | void): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (!(error instanceof AssertionError) || performance.now() > end) throw error
    }
    await pause(EVERY_MS)
  }
}

/** Presses keys one right after the other, as a hand does: none waits for the test to hear of the one before. */
export async function pressInTurn(page: Page, ...keys: string[]): Promise<void> {
  await Promise.all(keys.map((key) => page.keyboard.press(key)))
}

/**
 * Types into a field once the page has put the focus there and selected what it held: until then, what is typed goes
 * elsewhere, or behind what was there.
 */
export async function typeInto(field: Locator, text: string): Promise<void> {
  const page = field.page()
  const element = await field.elementHandle()
  // As text: the tests know no types of the browser's.
  await page.waitForFunction(
    `(element) => document.activeElement === element && (element.selectionStart ?? 0) === 0 && (element.selectionEnd ?? element.value.length) === element.value.length`,
    element,
  )
  await page.keyboard.type(text)
}
