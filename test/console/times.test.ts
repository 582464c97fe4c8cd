import assert from 'node:assert/strict'
import { test } from 'node:test'
import { age, duration, exact } from '#console/client/times.ts'

const NOW = Date.parse('2026-02-13T12:00:00.000Z')
const before = (ms: number) => new Date(NOW - ms).toISOString()

test('a duration is told to about three digits', () => {
  const told = [0, 84, 999, 1_520, 9_999, 12_340, 59_949, 59_960, 200_000, 3_599_700, 7_500_000, 273_600_000].map(duration)
  assert.deepEqual(told, ['0 ms', '84 ms', '999 ms', '1.52 s', '10.00 s', '12.3 s', '59.9 s', '1 min', '3 min 20 s', '1 h', '2 h 5 min', '3 d 4 h'])
})

test('clocks that disagree give a negative duration, which is shown as one', () => {
  assert.equal(duration(-84), '-84 ms')
})

test('an age is coarse, and a future instant says so', () => {
  assert.deepEqual(
    [before(300), before(12_400), before(200_000), before(18_100_000), before(180_000_000), before(-30_000)].map((at) => age(at, NOW)),
    ['now', '12 s', '3 min', '5 h', '2 d', 'in 30 s'],
  )
})

test('what is no instant has no age and is shown as it came', () => {
  assert.equal(age('soon', NOW), '')
  assert.equal(exact('soon'), 'soon')
})
