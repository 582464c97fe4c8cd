import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindOrganization } from '#db/pool.ts'
import { cancelSlaClocks, upsertSlaCycles } from '#db/sla.ts'
import type { SlaCycle } from '#db/sla.ts'
import { charts } from '#machines/charts.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const agent = await clientOf(app, database, 'agent', organization)
const clock = charts.find(({ name }) => name === 'sla_clock')!

/** The fewest moves by which the machine leads from one state to the other; null where it does not. */
function wayOf(from: string, to: string): string[] | null {
  const ways = new Map<string, string[]>([[from, []]])
  for (const [state, way] of ways) {
    for (const edge of clock.edges.filter((each) => each.from === state && !ways.has(each.to))) ways.set(edge.to, [...way, `${state} ${edge.event} ${edge.to}`])
  }
  return ways.get(to) ?? null
}

async function stepsOf(from: string, to: string): Promise<string[]> {
  const steps: string[] = []
  for (let here = from; here !== to;) {
    const [step] = await database.owner<{ event: string; to_state: string }>('select * from sla_clock_step($1, $2)', [here, to])
    if (!step) break
    steps.push(`${here} ${step.event} ${step.to_state}`)
    here = step.to_state
  }
  return steps
}

test('from any state of a clock to any other the database notes the way of the machine, and none where it has none', async () => {
  for (const from of clock.states) {
    for (const to of clock.states.filter((state) => state !== from)) {
      const [steps, way] = [await stepsOf(from, to), wayOf(from, to)]
      const told = `${from} to ${to}: ${steps.join(', ')}`
      for (const step of steps)
        assert.ok(
          clock.edges.some((edge) => `${edge.from} ${edge.event} ${edge.to}` === step),
          told,
        )
      if (way) assert.ok(steps.at(-1)?.endsWith(` ${to}`), told)
      if (way) assert.equal(steps.length, way.length, told)
    }
  }
})

test('what a look at a clock finds is written as the moves that led there, each at its own time', async () => {
  const ticket = (await agent.post('/tickets', { subject: 's', description: 'd' })).body
  const at = (minute: number) => new Date(Date.parse(ticket.created_at) + minute * 60_000)
  const found = (cycle: Partial<SlaCycle>) =>
    database.system.transaction(async (tx) => {
      await bindOrganization(tx, organization.id)
      const base = { ticket_id: ticket.id, clock: 'resolution' as const, cycle: 1, priority: 'medium' as const, target_seconds: 60, elapsed_seconds: 0 }
      await upsertSlaCycles(tx, [
        { ...base, state: 'running', started_at: at(1), due_at: at(9), breached_at: null, breach_reason: null, fulfilled_at: null, ...cycle },
      ])
    })
  await found({ state: 'running' })
  await found({ state: 'running', elapsed_seconds: 5 })
  await found({ state: 'missed', breached_at: at(2), breach_reason: 'due', fulfilled_at: at(5), elapsed_seconds: 9 })
  const moves = () =>
    database.owner<{ move: string; since: Date | null; at: Date }>(
      `select from_state || ' ' || event || ' ' || to_state as move, since, at from sla_clock_moves where ticket_id = $1 order by id`,
      [ticket.id],
    )
  assert.deepEqual(await moves(), [
    { move: 'pending START running', since: at(0), at: at(1) },
    { move: 'running BREACH breached', since: at(1), at: at(2) },
    { move: 'breached FULFIL missed', since: at(2), at: at(5) },
  ])
  await database.system.transaction(async (tx) => {
    await bindOrganization(tx, organization.id)
    await cancelSlaClocks(tx, ticket.id)
  })
  assert.equal((await moves()).length, 3, 'a clock that has ended is not cancelled')
})
