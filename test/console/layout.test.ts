import assert from 'node:assert/strict'
import { test } from 'node:test'
import { charts } from '#machines/charts.ts'
import type { Chart } from '#machines/chart.ts'
import { place } from '#console/client/layout.ts'
import { settledStates, toneOf } from '#console/client/states.ts'

const job = charts.find(({ name }) => name === 'job')!

for (const chart of charts) {
  for (const direction of ['LR', 'TB'] as const) {
    test(`the ${chart.name} machine is drawn ${direction} with every state once, inside, and none on top of another`, () => {
      const { states, width, height, node } = place(chart, direction)
      assert.deepEqual(
        states.map(({ name }) => name),
        chart.states,
      )
      for (const { x, y } of states) {
        assert.ok(x - node.width / 2 >= 0 && x + node.width / 2 <= width && y - node.height / 2 >= 0 && y + node.height / 2 <= height)
      }
      for (const a of states) {
        for (const b of states) assert.ok(a === b || Math.abs(a.x - b.x) >= node.width || Math.abs(a.y - b.y) >= node.height, `${a.name} covers ${b.name}`)
      }
    })
  }

  test(`each edge of the ${chart.name} machine is on one arrow, with its event and its guard`, () => {
    const { edges } = place(chart, 'LR')
    for (const { event, from, to, guard } of chart.edges) {
      const [arrow, ...more] = edges.filter((edge) => edge.from === from && edge.to === to)
      assert.ok(arrow && more.length === 0)
      assert.ok(arrow.lines.some((line) => line.event === event))
      assert.ok(guard === null || arrow.lines.some((line) => line.text.endsWith(`[${guard}]`)))
      assert.match(arrow.path, /^M [\d.-]+ [\d.-]+ [LQC]/)
    }
  })
}

test('a guard that all events of an arrow share is written once', () => {
  const arrow = place(job, 'LR').edges.find(({ id }) => id === 'running>retried')!
  assert.deepEqual(
    arrow.lines.map(({ text }) => text),
    ['FAIL', 'TIMEOUT', 'LOSE', '[mayRetry]'],
  )
})

test('the creation event comes from the dot, and a machine without one has no dot', () => {
  assert.ok(place(job, 'LR').start)
  assert.equal(place({ ...job, edges: job.edges.filter(({ from }) => from !== null) }, 'LR').start, null)
})

test('settled states are those that lead nowhere but back', () => {
  assert.deepEqual([...settledStates(job)], ['done', 'failed', 'cancelled'])
  const lone: Chart = { name: 'lone', initial: 'a', states: ['a'], events: [], edges: [] }
  assert.deepEqual([...settledStates(lone)], ['a'])
})

test('every state of every machine has a tone of its own choosing', () => {
  for (const state of charts.flatMap(({ states }) => states)) assert.notEqual(toneOf(state), 'neutral', state)
})
