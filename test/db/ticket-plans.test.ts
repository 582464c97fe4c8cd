import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { readLive } from '#db/dashboard.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { inOrganization } from '#db/pool.ts'
import { listDueSoon } from '#db/sla-board.ts'
import type { Condition } from '#db/ticket-condition.ts'
import { listTickets, TICKET_SORTS } from '#db/ticket-list.ts'
import type { TicketSort } from '#db/ticket-list.ts'
import { TICKET_STATES } from '#db/tickets.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization, createUser } from '../support/people.ts'
import type { Plan } from '../support/plans.ts'
import { explain } from '../support/plans.ts'

/** Enough that a plan that reads all of them shows. */
const CLOSED = 50_000
const OPEN = 500
const PAGE = 51
const OPEN_STATES = ['new', 'accepted', 'assigned', 'in_progress', 'waiting_customer'] as const

const database = await testDatabase()
const organization = await createOrganization(database)
const agent = await createUser(database, 'agent', organization)

before(async () => {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await client.query(
    `insert into tickets (organization_id, number, requester_id, subject, description, status, priority, tags, sla_due_at, created_at, updated_at)
     select $1, n, $2, 'help', 'help', case when n > $3 then ($5::ticket_status[])[1 + n % 5] else 'closed' end, (array['low', 'medium', 'high', 'urgent'])[1 + n % 4]::ticket_priority,
            case when n % 10 = 0 then array['many'] when n in (7, 77, 777) then array['few', 'fewer'] else '{}' end,
            case when n <= $3 then at + interval '2 days' when n % 5 > 0 then now() + make_interval(mins => n % 600) end, at, at
       from generate_series(1, $3::int + $4::int) n cross join lateral (select now() - make_interval(mins => $3::int + $4::int - n) as at) filed`,
    [organization.id, agent.id, CLOSED, OPEN, OPEN_STATES],
  )
  await client.query('vacuum analyze tickets')
  await client.end()
})

const planOf = (work: (db: CommonQueryMethods) => Promise<unknown>): Promise<Plan> => inOrganization(database.app, organization.id, (tx) => explain(tx, work))
const listed = (condition: Condition | null, sort: TicketSort): Promise<Plan> =>
  planOf((db) => listTickets(db, { user_id: agent.id, sees: 'all' }, { condition, q: null, sort }, { after: null, limit: PAGE }))

test('a list in any order reads a page of tickets, not all that there are', async () => {
  for (const sort of TICKET_SORTS) {
    const plan = await listed(null, sort)
    assert.equal(plan.rows, PAGE, sort)
    assert.ok(plan.rowsRead('tickets') <= 3 * PAGE, `${sort}: ${plan.rowsRead('tickets')} rows`)
  }
})

test('what is open is found without reading what is closed, by whatever state, also one in which nothing stands', async () => {
  for (const sort of ['sla_due_at', 'urgency'] as const) {
    const open = await listed({ field: 'status', op: 'in', value: [...OPEN_STATES] }, sort)
    assert.ok(open.rows === PAGE && open.rowsRead('tickets') <= PAGE, `${sort}: ${open.rowsRead('tickets')} rows`)
  }
  for (const status of TICKET_STATES.filter((each) => each !== 'closed')) {
    const plan = await listed({ field: 'status', op: 'in', value: [status] }, '-number')
    assert.ok(plan.rowsRead('tickets') <= OPEN, `${status}: ${plan.rowsRead('tickets')} rows`)
  }
})

test('counts of what is open and the board of what is due read open tickets only', async () => {
  for (const work of [readLive, (db: CommonQueryMethods) => listDueSoon(db, 3_600, PAGE)]) {
    const plan = await planOf(work)
    assert.ok(plan.rowsRead('tickets') <= OPEN, `${plan.rowsRead('tickets')} rows`)
  }
})

test('an old range of dates is found in the order of numbers without reading the tickets that are newer', async () => {
  const ago = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()
  const range: Condition = {
    all: [
      { field: 'created_at', op: 'from', value: ago(CLOSED - 10_000) },
      { field: 'created_at', op: 'before', value: ago(CLOSED - 20_000) },
    ],
  }
  for (const sort of ['-number', 'number'] as const) {
    const plan = await listed(range, sort)
    assert.ok(plan.rows === PAGE && plan.rowsRead('tickets') <= 2 * PAGE, `${sort}: ${JSON.stringify(plan.scans())}`)
  }
})

test('tickets with a tag are found whether many have it or few, and with all of several', async () => {
  const numbers = (tags: string[]): Promise<number[]> =>
    inOrganization(database.app, organization.id, async (tx) =>
      (
        await listTickets(
          tx,
          { user_id: agent.id, sees: 'all' },
          { condition: { all: [{ field: 'tags', op: 'has_all', value: tags }] }, q: null, sort: '-number' },
          { after: null, limit: 3 },
        )
      ).map(({ number }) => number),
    )
  assert.deepEqual(await numbers(['many']), [CLOSED + OPEN, CLOSED + OPEN - 10, CLOSED + OPEN - 20])
  assert.deepEqual(await numbers(['few']), [777, 77, 7])
  assert.deepEqual(await numbers(['few', 'fewer']), [777, 77, 7])
  assert.deepEqual(await numbers(['few', 'many']), [])
  assert.deepEqual(await numbers(['none']), [])
  const stranger = await createOrganization(database)
  const asked = { condition: { field: 'tags' as const, op: 'has_all' as const, value: ['few'] }, q: null, sort: '-number' as const }
  const found = await inOrganization(database.app, stranger.id, (tx) => listTickets(tx, { user_id: agent.id, sees: 'all' }, asked, { after: null, limit: 3 }))
  assert.deepEqual(found, [])
})
