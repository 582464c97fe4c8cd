import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calibrationError, fitLevels, shares } from '#ai/calibration.ts'

test('a label whose margins are half as long as the others’, and lower, is taken for what it is', () => {
  // The first label's margins tell 1 from -1 as well as the second's tell 2 from -2, but all of them are 1.5 lower.
  const heldOut = Array.from({ length: 400 }, (_, row) => {
    const truth = row % 2
    const isClear = row % 10 < 8
    const [first, second] = (truth === 0) === isClear ? [1, -2] : [-1, 2]
    return { margins: [first - 1.5, second], beside: [0, 0], truth }
  })
  const judge = (slopes: readonly number[], offsets: readonly number[]) =>
    heldOut.map(({ margins, truth }) => {
      const share = shares(
        margins.map((margin, label) => slopes[label]! * margin + offsets[label]!),
        1,
      )
      const best = share.indexOf(Math.max(...share))
      return { confidence: share[best]!, right: best === truth }
    })
  const { slopes, offsets } = fitLevels(heldOut, 1)
  const [before, after] = [judge([1, 1], [0, 0]), judge(slopes, offsets)]
  assert.ok(calibrationError(after) < calibrationError(before) / 2, `${calibrationError(before)} became ${calibrationError(after)}`)
  assert.ok(after.filter(({ right }) => right).length >= before.filter(({ right }) => right).length)
})
