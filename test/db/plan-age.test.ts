import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlanAge, PLANS_KEPT } from '#db/plan-age.ts'

const { leastMs, workMs, mostMs } = PLANS_KEPT

test('a pool that works has plans forgotten once a second, however much it works', () => {
  const plans = new PlanAge(0)
  plans.worked(10 * workMs)
  assert.equal(plans.isOver(leastMs - 1), false)
  assert.equal(plans.isOver(leastMs), true)
  assert.equal(plans.isOver(2 * leastMs), false, 'its work counts once')
  plans.worked(workMs)
  assert.equal(plans.isOver(2 * leastMs), true)
})

test('an idle pool keeps its plans, but not for ever', () => {
  const plans = new PlanAge(0)
  plans.worked(workMs - 1)
  assert.equal(plans.isOver(leastMs), false)
  assert.equal(plans.isOver(mostMs - 1), false)
  assert.equal(plans.isOver(mostMs), true)
  assert.equal(plans.isOver(mostMs + leastMs), false)
})

test('a little work each second adds up', () => {
  const plans = new PlanAge(0)
  const forgotten = Array.from({ length: 12 }, (_, second) => {
    plans.worked(workMs / 3)
    return plans.isOver((second + 1) * leastMs)
  })
  assert.equal(forgotten.filter(Boolean).length, 4)
})
