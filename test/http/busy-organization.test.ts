import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { verifyAudit } from '#db/audit-verify.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const wish = { subject: 's', description: 'd' }

const step = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), priority: fc.constantFrom('low', 'medium', 'urgent') }),
  fc.record({ kind: fc.constant('comment' as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant('move' as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant('bulk' as const), order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2 }), priority: fc.constantFrom('low', 'urgent') }),
)

test('whatever is filed, commented, moved and changed in bulk at once in one organisation: nobody waits in a circle, numbers have no gap, and the chain holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 24 }), async (steps) => {
      const organization = await createOrganization(database)
      const agent = await clientOf(app, database, 'agent', organization)
      const manager = await clientOf(app, database, 'manager', organization)
      const rule = {
        name: 'r',
        events: ['created', 'updated', 'commented'],
        condition: { field: 'priority', op: 'eq', value: 'urgent' },
        actions: [{ type: 'add_tags', tags: ['hot'] }],
      }
      assert.equal((await manager.post('/rules', rule)).status, 201)
      const ids: string[] = []
      for (let n = 0; n < 4; n += 1) ids.push((await agent.post('/tickets', wish)).body.id)
      const answers = await Promise.all(
        steps.map((each) => {
          if (each.kind === 'file') return agent.post('/tickets', { ...wish, priority: each.priority })
          if (each.kind === 'comment') return agent.post(`/tickets/${ids[each.at]}/comments`, { content: 'c' })
          if (each.kind === 'move') return agent.post(`/tickets/${ids[each.at]}/accept`)
          return agent.post('/tickets/bulk', { ids: each.order.map((at) => ids[at]), changes: { priority: each.priority }, dry_run: false })
        }),
      )
      assert.deepEqual(
        answers.filter(({ status }) => status >= 500 || status === 429).map(({ body }) => body),
        [],
      )
      const numbers = await database.owner<{ number: number }>('select number from tickets where organization_id = $1 order by number', [organization.id])
      assert.deepEqual(
        numbers.map(({ number }) => number),
        Array.from({ length: 4 + steps.filter(({ kind }) => kind === 'file').length }, (_, index) => index + 1),
      )
      const rows = await database.owner<{ seq: string; details: { number?: number } }>(
        `select seq, details from audit_log where organization_id = $1 and action = 'ticket.create' order by id`,
        [organization.id],
      )
      assert.deepEqual(
        rows.map(({ details }) => details.number),
        numbers.map(({ number }) => number),
        'events of filings come in the order of their numbers',
      )
      const chain = (await verifyAudit(database.system)).find(({ organization_id }) => organization_id === organization.id)
      assert.equal(chain?.broken, null)
    }),
    { numRuns: 8 },
  )
  const [{ deadlocks }] = (await database.owner<{ deadlocks: string }>('select deadlocks from pg_stat_database where datname = current_database()')) as [
    { deadlocks: string },
  ]
  assert.equal(Number(deadlocks), 0)
})
