import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertWeek, readFieldQuality } from '#db/ai-quality.ts'
import { bindOrganization } from '#db/pool.ts'
import { insertUser } from '#db/users.ts'
import { hashPassword } from '#http/passwords.ts'
import { eventually, NO_BROWSER, open, openSite, signIn } from '../support/browser.ts'
import type { Site } from '../support/browser.ts'
import { createOrganization } from '../support/people.ts'

const WEEK_MS = 7 * 86_400_000
/** Monday, so that a viewer in the west sees Sunday where a week is told in another zone than its own. */
const FIRST = Date.parse('2026-01-05T00:00:00Z')
const GRACE = { email: 'grace@drift.example', password: 'a password for the drift test' }

const site = await openSite({ worker: false })
if (site) await testDrift(site)
else test('weeks of quality in a browser', { skip: NO_BROWSER }, () => {})

/** Predictions of a week, as triage writes them, and the week's figures, as METRICS_SNAPSHOT reads and keeps them at its end. */
async function liveThrough(site: Site, organization: string, ticket: string, week: number, right: number, fields: readonly string[]): Promise<void> {
  const [from, to] = [new Date(FIRST + week * WEEK_MS), new Date(FIRST + (week + 1) * WEEK_MS)]
  for (const field of fields) {
    await site.database.owner(
      `insert into ai_predictions (organization_id, ticket_id, field, value, confidence, mode, threshold, state, model, version, inputs_hash, is_live, is_right, created_at, decided_at)
       select $1, $2, $3, '"x"', 0.05 + n / 20.0, 'suggest', 0.4, case when n < $5 then 'accepted' when n % 2 = 0 then 'edited' else 'rejected' end,
              'm', '1', '\\x00', false, n < $5, $4::timestamptz + n * interval '1 hour', $4::timestamptz + n * interval '61 minutes'
         from generate_series(0, 19) n`,
      [organization, ticket, field, from, right],
    )
  }
  await site.database.system.transaction(async (tx) => {
    await bindOrganization(tx, organization)
    await insertWeek(tx, from.toISOString().slice(0, 10), { fields: await readFieldQuality(tx, { from, to }), sla_risk: [] })
  })
}

async function testDrift(site: Site): Promise<void> {
  const { id } = await createOrganization(site.database)
  const person = { organization_id: id, email: GRACE.email, password_hash: await hashPassword(GRACE.password), full_name: 'Grace', role: 'manager' as const }
  const { id: requester } = await insertUser(site.database.system, person)
  const [ticket] = await site.database.owner<{ id: string }>(
    `insert into tickets (organization_id, number, subject, description, requester_id) values ($1, 1, 's', 'd', $2) returning id`,
    [id, requester],
  )
  const rights = [12, 14, 13, 16, 18, 19]
  for (const [week, right] of rights.entries()) {
    // The tags were silent for two weeks, and one week nobody worked.
    if (week !== 3) await liveThrough(site, id, ticket!.id, week, right, week === 1 || week === 2 ? ['category'] : ['category', 'tags'])
  }

  test('weeks of a model are drawn field by field, also where nothing was suggested lately, each under its own Monday', async () => {
    const { page, faults } = await open(site, '/console/ai', { timezoneId: 'America/Los_Angeles', viewport: { width: 1_280, height: 1_000 } })
    await signIn(page, GRACE)
    const charts = page.getByRole('region', { name: 'Week by week' }).locator('figure')
    await charts.first().waitFor()
    assert.equal(await charts.count(), 2)
    const category = charts.filter({ hasText: 'category' })
    assert.match(await category.innerText(), /5 weeks/)
    const words = await category.getByRole('img').getAttribute('aria-label')
    assert.match(words!, /2026-01-05 accepted 60 %, right 60 %; 2026-01-12 accepted 70 %, right 70 %/)
    assert.match(
      (await charts.filter({ hasText: 'tags' }).getByRole('img').getAttribute('aria-label'))!,
      /^tags, week by week: 2026-01-05 .*; 2026-02-02 .*; 2026-02-09 /,
    )
    const legend = async () => (await category.locator('.u-legend').innerText()).replace(/\s/g, '').replace(/(\d)([A-Z%])/g, '$1 $2')
    /** Points at a share of the plot's width, wherever it has come to stand by now. */
    const pointAt = async (share: number) => {
      await category.scrollIntoViewIfNeeded()
      const box = (await category.locator('.u-over').boundingBox())!
      await page.mouse.move(box.x + 2 + share * (box.width - 4), box.y + box.height / 2)
    }
    await eventually(async () => {
      await pointAt(0)
      assert.equal(await legend(), 'weekof5 Janaccepted60 %right60 %')
    })
    await eventually(async () => {
      await pointAt(1)
      assert.equal(await legend(), 'weekof9 Febaccepted95 %right95 %')
    })
    assert.deepEqual(faults, [])
  })

  for (const [name, options] of Object.entries({ dark: { colorScheme: 'dark' as const }, narrow: { viewport: { width: 320, height: 800 } } })) {
    test(`the weeks fit their page, ${name}`, async () => {
      const { page } = await open(site, '/console/ai', options)
      await signIn(page, GRACE)
      const charts = page.getByRole('region', { name: 'Week by week' }).locator('figure')
      await charts.first().waitFor()
      const frame = page.viewportSize()!.width
      for (const chart of await charts.all()) {
        await eventually(async () => {
          const box = (await chart.locator('canvas').boundingBox())!
          assert.ok(box.x >= 0 && box.x + box.width <= frame, `${name}: from ${box.x} over ${box.width} of ${frame}`)
        })
      }
    })
  }
}
