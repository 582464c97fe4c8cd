import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Lanes } from '#actors/lanes.ts'
import type { ClaimedRow, LaneRow } from '#db/job-claims.ts'

const lane = (tenant: string, priority = 0, head_ms = 1_000, due_in_ms = 0): LaneRow => ({
  tenant,
  priority,
  limit_key: '',
  bundled: false,
  limit_max: null,
  held: 0,
  head_us: head_ms * 1_000,
  due_in_ms,
})
/** What a claim of `quotas` returned: so many jobs of each, all due at `due_ms`. */
const jobsOf = (counts: readonly number[], due_ms = 2_000): ClaimedRow[] =>
  counts.flatMap((count, index) => Array.from({ length: count }, () => ({ lane: index + 1, due_us: due_ms * 1_000 }) as ClaimedRow))

function lanesOf(...rows: LaneRow[]): Lanes {
  const lanes = new Lanes()
  lanes.renew(rows, 0)
  return lanes
}

test('places are shared evenly among organisations, whoever has more waiting', () => {
  const quotas = lanesOf(lane('a'), lane('b'), lane('c')).plan(30, 0)
  assert.deepEqual(
    quotas.map(({ tenant, limit }) => [tenant, limit]),
    [
      ['a', 10],
      ['b', 10],
      ['c', 10],
    ],
  )
})

test('with more organisations than places each gets its turn', () => {
  const lanes = lanesOf(lane('a'), lane('b'), lane('c'), lane('d'), lane('e'))
  const served = [1, 2, 3].flatMap(() => lanes.plan(2, 0).map(({ tenant }) => tenant))
  assert.deepEqual(new Set(served.slice(0, 5)), new Set(['a', 'b', 'c', 'd', 'e']))
})

test('the higher priority goes first, until the lower one has waited a minute longer for each point', () => {
  assert.equal(lanesOf(lane('a', 0, 0), lane('a', 1, 59_000)).plan(1, 0)[0]!.priority, 1)
  assert.equal(lanesOf(lane('a', 0, 0), lane('a', 1, 61_000)).plan(1, 0)[0]!.priority, 0)
})

test('a lane that gave less than asked is dry until the lanes are renewed; another begins where it ended', () => {
  const lanes = lanesOf(lane('a'), lane('b'))
  const quotas = lanes.plan(20, 0)
  lanes.learn(quotas, jobsOf([3, 10]))
  assert.deepEqual(lanes.plan(20, 0), [{ tenant: 'b', priority: 0, limit_key: '', bundled: false, limit_max: null, after_us: 2_000_000, limit: 20 }])
})

test('bundles and single places of an organisation go by priority and age alike, and have one share between them', () => {
  const bundles = { ...lane('a', 0, 1_000), bundled: true }
  const first = (single: LaneRow): boolean => lanesOf(single, bundles, lane('b')).plan(10, 0)[0]!.bundled
  assert.deepEqual([first(lane('a', 0, 999)), first(lane('a', 0, 1_001)), first(lane('a', 1, 60_999)), first(lane('a', 1, 61_001))], [false, true, false, true])
  const quotas = lanesOf(bundles, { ...lane('a', 1), bundled: true }, lane('b')).plan(10, 0)
  assert.deepEqual(
    quotas.map(({ tenant, priority, limit }) => [tenant, priority, limit]),
    [
      ['a', 1, 5],
      ['b', 0, 5],
    ],
  )
})

test('a lane of bundles that gave less than asked is looked at again soon, ever later while it gives nothing, until it is dry', () => {
  const bundles = { ...lane('a'), bundled: true }
  const lanes = lanesOf(bundles)
  const pauses = Array.from({ length: 7 }, () => {
    lanes.learn(lanes.plan(10, 0), [])
    const pause = lanes.nextDueMs(0)
    lanes.renew([bundles], 0)
    return pause
  })
  assert.deepEqual(pauses, [10, 20, 40, 80, 160, 160, 160])
  lanes.learn(lanes.plan(10, 0), jobsOf([3]))
  assert.equal(lanes.nextDueMs(0), 10)
  lanes.renew([lane('a', 0, 1_000, 700)], 0)
  assert.equal(lanes.nextDueMs(0), 700)
})

test('a lane that gave its last due job is looked at again soon, for when the next of it is due', () => {
  const lanes = lanesOf(lane('a'))
  lanes.learn(lanes.plan(10, 0), jobsOf([1]))
  assert.equal(lanes.nextDueMs(0), 50)
  lanes.renew([lane('a', 0, 1_000, 300)], 0)
  assert.equal(lanes.nextDueMs(0), 300)
  lanes.learn(lanes.plan(10, 300), [])
  lanes.renew([], 300)
  assert.equal(lanes.nextDueMs(300), null, "a lane that gave nothing is another worker's, and one that is gone waits for nobody")
})

test('a job that was put off here is waited for, until it was looked for when it was due', () => {
  const lanes = lanesOf()
  assert.deepEqual([lanes.expect(400), lanes.expect(700), lanes.expect(300)], [true, false, true])
  assert.equal(lanes.nextDueMs(100), 200)
  lanes.renew([], 299)
  assert.equal(lanes.nextDueMs(299), 1, 'a look before knows nothing of it')
  lanes.renew([lane('a', 0, 1_000, 400)], 300)
  assert.equal(lanes.nextDueMs(300), 400)
})

test('what was put off while the lanes were being asked for is still expected, however late their answer comes', () => {
  const lanes = new Lanes()
  assert.equal(lanes.expect(140), true)
  lanes.renew([], 150, 99)
  assert.equal(lanes.nextDueMs(150), 0)
  lanes.renew([], 151, 150)
  assert.equal(lanes.nextDueMs(151), null)
})

test('a lane whose first job is not due yet is waited for', () => {
  const lanes = lanesOf(lane('a', 0, 1_000, 400), lane('b', 0, 1_000, 900))
  assert.deepEqual(lanes.plan(10, 0), [])
  assert.equal(lanes.hasDue(0), false)
  assert.equal(lanes.nextDueMs(100), 300)
  assert.equal(lanes.plan(10, 400).length, 1)
})

test('a plan never asks for more than wanted, nor twice for a lane, and leaves nobody out while places are left', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ tenant: fc.constantFrom('a', 'b', 'c', 'd', 'e'), priority: fc.integer({ min: -2, max: 2 }), head: fc.nat(100_000) })),
      fc.integer({ min: 1, max: 600 }),
      (rows, wanted) => {
        const quotas = lanesOf(...rows.map((row) => lane(row.tenant, row.priority, row.head))).plan(wanted, 0)
        const tenants = new Set(rows.map((row) => row.tenant))
        assert.ok(quotas.reduce((sum, quota) => sum + quota.limit, 0) <= wanted)
        assert.ok(quotas.every((quota) => quota.limit > 0))
        assert.equal(new Set(quotas.map((quota) => quota.tenant)).size, quotas.length)
        const asked = quotas.reduce((sum, quota) => sum + quota.limit, 0)
        assert.ok(quotas.length === tenants.size || asked === wanted)
      },
    ),
  )
})
