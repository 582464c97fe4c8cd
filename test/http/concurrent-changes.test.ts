import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const ROUNDS = 12

const database = await testDatabase()
const app = await testServer(database)
const admin = await clientOf(app, database, 'admin', await createOrganization(database))

const condition = { field: 'priority', op: 'eq', value: 'low' }
const week = { tz: 'UTC', week: { mon: [['09:00', '17:00']] } }

/** What is kept, and two changes of different fields. */
const KEPT = {
  '/canned-responses': { make: { name: 'n', content: 'c' }, one: { name: 'other' }, other: { content: 'other' } },
  '/groups': { make: { name: 'n' }, one: { strategy: 'round_robin' }, other: { max_open: 7 } },
  '/job-views': { make: { name: 'n', query: 'status=failed' }, one: { name: 'other' }, other: { is_shared: true } },
  '/kb/categories': { make: { name: 'n' }, one: { description: 'other' }, other: { is_internal: true } },
  '/rules': { make: { name: 'n', condition, actions: [{ type: 'set_priority', priority: 'high' }] }, one: { name: 'other' }, other: { position: 7 } },
  '/services': { make: { name: 'n' }, one: { description: 'other' }, other: { default_priority: 'high' } },
  '/sla/calendars': { make: { name: 'n', definition: week }, one: { name: 'other' }, other: { definition: { ...week, holidays: ['2026-12-25'] } } },
  '/sla/policies': { make: { name: 'n', resolution_minutes: { high: 60 } }, one: { name: 'other' }, other: { resolution_minutes: { high: 120 } } },
  '/views': { make: { name: 'n', condition }, one: { name: 'other' }, other: { sort: 'number' } },
  '/webhooks': { make: { url: 'https://example.com/', event_types: ['ticket.created'] }, one: { description: 'other' }, other: { is_active: false } },
} as const

for (const [path, { make, one, other }] of Object.entries(KEPT)) {
  test(`${path}: two who change different fields at once do not undo each other, and who comes after a deletion is told`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const made = await admin.post(path, make)
      assert.equal(made.status, 201, JSON.stringify(made.body))
      const { id } = made.body
      const changed = await Promise.all([admin.patch(`${path}/${id}`, one), admin.patch(`${path}/${id}`, other)])
      assert.deepEqual(
        changed.map(({ status }) => status),
        [200, 200],
        JSON.stringify(changed[1].body),
      )
      const { body } = await admin.get(`${path}/${id}`)
      for (const [field, value] of Object.entries({ ...one, ...other })) assert.deepEqual(subset(body[field], value), value, field)
      const [, edited, ...deleted] = await Promise.all([
        admin.get(path),
        admin.patch(`${path}/${id}`, one),
        admin.delete(`${path}/${id}`),
        admin.delete(`${path}/${id}`),
      ])
      assert.ok([200, 404].includes(edited.status), JSON.stringify(edited.body))
      assert.deepEqual(new Set(deleted.map(({ status }) => status)), new Set([204, 404]))
    }
  })
}

/** The fields of `found` that `wanted` speaks of: a stored definition says its defaults as well. */
function subset(found: unknown, wanted: unknown): unknown {
  if (typeof wanted !== 'object' || wanted === null) return found
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, (found as Record<string, unknown>)[name]]))
}
