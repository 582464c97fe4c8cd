import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedDemo } from '#demo/seed.ts'
import { hashPassword } from '#http/passwords.ts'
import { violationsOf } from '../support/axe.ts'
import { eventually, NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { until } from '../support/database.ts'

const site = await openSite()
if (site) await testDeskPages(site)
else test('the pages of the desk in a browser', { skip: NO_BROWSER }, () => {})

async function testDeskPages(site: Site): Promise<void> {
  const demo = (await seedDemo(site.database, { hash: hashPassword }))!
  const agent = demo.users.find(({ role }) => role === 'agent')!
  const one = async (statement: string) => (await site.database.owner(statement))[0]!
  await until(
    async () => Number((await one('select count(*) as count from job_queue where finished_at is null'))['count']) === 0,
    'the jobs of the tickets end',
    180_000,
  )
  const drafted = await one('select ticket_id from ai_suggestions limit 1')

  /** Each page, with a text that is there when its data are. */
  const pages: [string, string][] = [
    ['/desk/', 'No clock runs'],
    [`/desk/tickets/${String(drafted['ticket_id'])}`, 'Suggested reply'],
    ['/desk/nowhere', 'There is nothing at this address'],
    ['/console/sla', 'Noticed late by'],
    ['/console/ai', 'Week by week'],
  ]
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, height] of [
      [1280, 800],
      [320, 640],
    ] as const) {
      test(`axe finds no serious fault at the desk, and no page is wider than ${width} pixels, ${colorScheme}`, async () => {
        const { page } = await open(site, '/desk/', { colorScheme, reducedMotion: 'reduce', viewport: { width, height } })
        await signIn(page, agent)
        const found: string[] = []
        for (const [path, text] of pages) {
          await page.goto(site.address + path)
          await page.getByText(text).or(page.getByLabel(text)).first().waitFor()
          await eventually(async () => assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), width, path))
          found.push(...(await violationsOf(page)).map((violation) => `${path} ${violation}`))
        }
        assert.deepEqual(found, [])
      })
    }
  }
}
