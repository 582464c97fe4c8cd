import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import { buildConsole } from '#console/build.ts'
import { settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import { EVENTS_PER_JOB, fillHistory } from './support/history.ts'
import { quantile, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'

const CHROMIUM = '/usr/bin/chromium'
const OPENINGS_MAX = 30
const WARM_UP = 2

/** Each job that is made has its number in its payload. */
const NEWEST_TEXT = '99998'

/** What is opened, and what stands there when it is open. */
const PAGES = [
  ['the list of jobs', '/console/jobs', '.jobs .row'],
  ['the list of jobs that are done', '/console/jobs?status=done', '.jobs .row'],
  ['the list of jobs of a type in a queue', '/console/jobs?job_type=NOOP&queue=default', '.jobs .row'],
  // In the payload of one of the newest; the list then looks on for more.
  ['a text in payloads', `/console/jobs?q=${NEWEST_TEXT}`, '.jobs .row'],
  ['one job', '/console/jobs/1', '.timeline .entry'],
  ['the machines', '/console/machines', '.state-count'],
] as const

export const consoleSuite: Suite = {
  name: 'console',
  measures: 'how soon a page of the console stands, its data included, with a large job table',
  omits:
    'the network. Browser, server and database share the machine. The time is the page’s own: from the beginning of the navigation to the first row in the document; scripts come from the browser’s cache after the first time.',
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no ${CHROMIUM}`)
  const openings = Math.min(options.requests, OPENINGS_MAX)
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-bench-console-'))
  await buildConsole(directory)
  const desk = await openDesk(server, 'console', 'operator', { consoleDirectory: directory })
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
  try {
    await fillHistory(desk.ownerUrl, options.history, say)
    await settle(desk.ownerUrl)
    const page = await browser.newPage()
    await page.goto(`${desk.address}/console/`)
    await page.getByLabel('E-mail').fill(desk.signIn.email)
    await page.getByLabel('Password').fill(desk.signIn.password)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    const measurements = []
    for (const [name, path, selector] of PAGES) {
      const times = []
      for (let n = -WARM_UP; n < openings; n += 1) {
        const ms = await open(page, desk.address + path, selector)
        if (n >= 0) times.push(ms)
      }
      measurements.push({ name, path, times })
      say(`console: ${path} p50 ${rounded(quantile(times, 0.5))} ms`)
    }
    return {
      sizes: { finished: options.history, events: options.history * EVENTS_PER_JOB, openings },
      tables: [
        {
          title: 'Milliseconds from the beginning of the navigation to the first row',
          columns: ['', 'path', 'openings', 'p50', 'p95', 'greatest'],
          rows: measurements.map(({ name, path, times }) => [name, path, times.length, ...[0.5, 0.95, 1].map((q) => rounded(quantile(times, q)))]),
        },
      ],
      measurements,
    }
  } finally {
    await browser.close()
    await desk.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Loads a page anew. @returns when what is waited for stood in it, by the page's own clock */
async function open(page: Page, address: string, selector: string): Promise<number> {
  await page.goto(address, { waitUntil: 'commit' })
  return page.evaluate<number>(`new Promise((resolve) => {
    const look = () => document.querySelector(${JSON.stringify(selector)}) ? resolve(performance.now()) : requestAnimationFrame(look)
    look()
  })`)
}
