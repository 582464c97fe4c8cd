import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { inOrganization } from '#db/pool.ts'
import { sql } from '#db/sql.ts'
import { conditionSql } from '#db/ticket-condition-sql.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import { ticketColumns, ticketRow, TICKET_STATES } from '#db/tickets.ts'
import { matches } from '#desk/ticket-matches.ts'
import { newService, newTenant, newTicket } from '../jobs/run-job.ts'
import { testDatabase } from '../support/database.ts'

const database = await testDatabase()
const tenant = await newTenant(database)
const services = [await newService(database, tenant, 'Network'), await newService(database, tenant, 'Printers')]
const NOW = new Date('2026-03-01T12:00:00.500Z')

const WORDS = ['Printer', 'PRINTER jam', 'ÄRGER', 'ärger', 'straße', '100%_\\', '\u{1f600} smile', "o'clock", 'İstanbul', 'K']
const TAGS = ['vpn', 'VPN', 'a,b', '{}', 'null', 'ü']
const INSTANTS = [
  '2026-03-01T12:00:00.499999Z',
  '2026-03-01T12:00:00.5Z',
  '2026-03-01T12:00:00.500001Z',
  '2026-03-01T11:59:00.500Z',
  '1999-12-31T23:59:59.999Z',
  null,
]

// Every combination of odd values would be too many: a walk with strides that share no factor meets each pair.
for (let n = 0; n < 60; n += 1) {
  const pick = <T>(values: readonly T[], stride: number): T => values[(n * stride + Math.floor(n / values.length)) % values.length]!
  const subject = `${pick(WORDS, 1)} ${pick(WORDS, 3)}`
  await newTicket(database, tenant, {
    subject,
    description: pick(WORDS, 7),
    status: pick(TICKET_STATES, 3),
    priority: pick(PRIORITIES, 3),
    tags: TAGS.filter((_, index) => ((n * 5) >> index) % 2 === 1),
    assigned_to: pick([tenant.agent, tenant.customer, null], 2),
    service_id: pick([...services, null], 2),
    created_at: pick(INSTANTS.slice(0, 5), 2),
    updated_at: pick(INSTANTS.slice(0, 5), 3),
    accepted_at: pick(INSTANTS, 1),
    resolved_at: pick(INSTANTS, 5),
    closed_at: pick(INSTANTS, 1),
    sla_due_at: pick(INSTANTS, 7),
  })
}
const tickets = await inOrganization(database.app, tenant.id, (tx) =>
  tx.any(sql.type(ticketRow)`select ${ticketColumns} from tickets ticket where organization_id = bound_organization()`),
)

const list = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: 1, maxLength: 4 })
const oneOf = (field: string, value: fc.Arbitrary<unknown>) =>
  fc.oneof(
    fc.record({ field: fc.constant(field), op: fc.constantFrom('eq', 'ne'), value }),
    fc.record({ field: fc.constant(field), op: fc.constantFrom('in', 'not_in'), value: list(value) }),
  )
const someone = fc.constantFrom(tenant.agent, tenant.customer.toUpperCase(), randomUUID())
const instant = fc.constantFrom(
  '2026-03-01T12:00:00.5Z',
  '2026-03-01T13:00:00.500+01:00',
  '2026-03-01T12:00:00.501Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
)
const leaf = fc.oneof(
  oneOf('status', fc.constantFrom(...TICKET_STATES)),
  oneOf('priority', fc.constantFrom(...PRIORITIES)),
  oneOf('requester_id', someone),
  oneOf('assigned_to', fc.option(someone)),
  oneOf('service_id', fc.option(fc.constantFrom(...services))),
  fc.record({ field: fc.constant('tags'), op: fc.constantFrom('has', 'has_not'), value: fc.constantFrom(...TAGS) }),
  fc.record({ field: fc.constant('tags'), op: fc.constantFrom('has_any', 'has_all'), value: list(fc.constantFrom(...TAGS, 'none')) }),
  fc.record({
    field: fc.constantFrom('subject', 'description'),
    op: fc.constantFrom('contains', 'not_contains', 'starts_with'),
    value: fc.oneof(fc.constantFrom(...WORDS, 'r', ' ', 'printer', 'ss', '%', '_', 'i', 'k', 'K'), fc.string({ minLength: 1, maxLength: 3 })),
  }),
  fc.record({ field: fc.constant('number'), op: fc.constantFrom('eq', 'lt', 'lte', 'gt', 'gte'), value: fc.integer({ min: 0, max: 70 }) }),
  ...(['created_at', 'updated_at', 'accepted_at', 'resolved_at', 'closed_at', 'sla_due_at'] as const).flatMap((field) => [
    fc.record({ field: fc.constant(field), op: fc.constantFrom('from', 'before'), value: instant }),
    fc.record({ field: fc.constant(field), op: fc.constantFrom('older_than_minutes', 'newer_than_minutes'), value: fc.constantFrom(0, 1, -1, 5_256_000) }),
    fc.record({ field: fc.constant(field), op: fc.constant('empty'), value: fc.boolean() }),
  ]),
)
const { condition } = fc.letrec((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: leaf, weight: 4 },
    { arbitrary: fc.record({ all: list(tie('condition')) }), weight: 1 },
    { arbitrary: fc.record({ any: list(tie('condition')) }), weight: 1 },
    { arbitrary: fc.record({ not: tie('condition') }), weight: 1 },
  ),
}))

test('PostgreSQL and the predicate agree on every condition and ticket, whatever is null, and both on what not is', async () => {
  let chosen = 0
  await inOrganization(database.app, tenant.id, (tx) =>
    fc.assert(
      fc.asyncProperty(condition, async (written) => {
        const parsed = conditionSchema.safeParse(written)
        if (!parsed.success) return
        const asked = parsed.data
        const numbers = await tx.anyFirst(sql.type(z.object({ number: z.number() }))`
          select number from tickets ticket where organization_id = bound_organization() and ${conditionSql(asked, NOW)} order by number`)
        const expected = tickets.filter((ticket) => matches(asked, ticket, NOW)).map(({ number }) => number)
        assert.deepEqual(
          numbers,
          expected.toSorted((a, b) => a - b),
        )
        assert.equal(tickets.filter((ticket) => matches({ not: asked }, ticket, NOW)).length, tickets.length - expected.length)
        if (expected.length > 0 && expected.length < tickets.length) chosen += 1
      }),
      { numRuns: 600 },
    ),
  )
  assert.ok(chosen > 150, `only ${chosen} conditions told tickets apart`)
})

test('what is no condition is refused in words that name the field', () => {
  const complaint = (written: unknown) => {
    const parsed = conditionSchema.safeParse(written)
    return parsed.success ? null : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ')
  }
  assert.match(complaint({ field: 'status', op: 'eq', value: 'open' })!, /value/)
  assert.match(complaint({ all: [{ field: 'status', op: 'eq', value: 'open' }] })!, /value/)
  assert.match(complaint({ field: 'password', op: 'eq', value: 'x' })!, /field/)
  assert.match(complaint({ field: 'subject', op: 'contains', value: 'a\0' })!, /stored/)
  for (const nothing of [
    null,
    [],
    'x',
    {},
    { all: [] },
    { field: 'number', op: 'eq', value: '1; drop table tickets' },
    { field: 'status', op: 'eq', value: 'new', surprise: 1 },
  ]) {
    assert.notEqual(complaint(nothing), null)
  }
  let deep: unknown = { field: 'status', op: 'eq', value: 'new' }
  for (let depth = 0; depth < 7; depth += 1) deep = { not: deep }
  assert.match(complaint(deep)!, /deep/)
  assert.match(complaint({ any: Array.from({ length: 60 }, () => ({ field: 'status', op: 'eq', value: 'new' })) })!, /parts/)
})
