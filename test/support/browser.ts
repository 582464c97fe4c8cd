import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
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
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
  closing.push(() => browser.close())
  return { address: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`, browser, database }
}

/** A page of its own, and what it complains about: errors in its script, refusals by the content security policy. */
export async function open(site: Site, path: string, options: BrowserContextOptions = {}): Promise<{ page: Page; faults: string[] }> {
  const context = await site.browser.newContext(options)
  const page = await context.newPage()
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
