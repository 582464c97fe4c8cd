import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calibrationError, fitTemperature, shares } from '#ai/calibration.ts'
import { TextClassifier } from '#ai/classifier.ts'

const EXAMPLES = ['red apple', 'green apple tree', 'sweet apple juice', 'fast car', 'red car door', 'car engine noise'].map((text) => ({
  text,
  label: text.includes('apple') ? 'fruit' : 'vehicle',
}))

test('what was learned is told apart, the same every time, with shares that sum to one', async () => {
  const [one, two] = [await TextClassifier.learn(EXAMPLES), await TextClassifier.learn(EXAMPLES)]
  const ranked = one.rank('a new car engine')
  assert.equal(ranked[0]!.label, 'vehicle')
  assert.deepEqual(two.rank('a new car engine'), ranked)
  assert.ok(Math.abs(ranked.reduce((sum, { confidence }) => sum + confidence, 0) - 1) < 1e-9)
  assert.equal(one.evidence('a new car engine', 'vehicle', 1)[0]!.words, 'car')
})

test('a text without any known term gets no rank', async () => {
  assert.deepEqual((await TextClassifier.learn(EXAMPLES)).rank('ЖЖЖ'), [])
})

test('too few rows measure nothing, enough rows measure themselves on rows that were held out', async () => {
  assert.equal((await TextClassifier.learn(EXAMPLES)).measured, null)
  const many = Array.from({ length: 5 }, (_, index) => EXAMPLES.map(({ text, label }) => ({ text: `${text} ${index}`, label }))).flat()
  assert.deepEqual((await TextClassifier.learn(many)).measured!.rows, 30)
})

test('the fitted temperature sharpens margins that are right and flattens those that are not', () => {
  const right = Array.from({ length: 20 }, () => ({ margins: [0.5, -0.5], truth: 0 }))
  const mixed = right.map((one, index) => ({ ...one, truth: index % 2 }))
  assert.ok(fitTemperature(right).temperature < fitTemperature(mixed).temperature)
  assert.deepEqual(shares([1, 1], 0.3), [0.5, 0.5])
})

test('the calibration error is the distance between how sure and how right', () => {
  assert.equal(calibrationError([{ confidence: 1, right: true }]), 0)
  assert.equal(
    calibrationError([
      { confidence: 0.75, right: true },
      { confidence: 0.75, right: false },
    ]),
    0.25,
  )
})
