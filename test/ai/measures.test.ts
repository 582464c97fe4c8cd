import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { auroc, quantile, scoreAnswers } from '#ai/measures.ts'

const answers = [
  { truth: 'a', label: 'a', confidence: 0.9 },
  { truth: 'a', label: 'b', confidence: 0.2 },
  { truth: 'b', label: 'b', confidence: 0.8 },
  { truth: 'b', label: 'b', confidence: 0.7 },
  { truth: 'b', label: null, confidence: 0 },
]

test('answers are scored as a whole, by class, and the surest four of five alone', () => {
  const { accuracy, macro_f1, accuracy_at_80_coverage } = scoreAnswers(answers)
  assert.equal(accuracy, 0.6)
  assert.equal(accuracy_at_80_coverage, 0.75)
  // a: precision 1, recall 1/2; b: precision and recall 2/3.
  assert.ok(Math.abs(macro_f1 - (2 / 3 + 2 / 3) / 2) < 1e-9)
})

test('whatever never answers wrongly has macro-F1 one, and no figure leaves its range', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ truth: fc.constantFrom('a', 'b', 'c'), right: fc.boolean(), confidence: fc.float({ min: 0, max: 1, noNaN: true }) }), {
        minLength: 1,
      }),
      (rows) => {
        const given = rows.map(({ truth, right, confidence }) => ({ truth, label: right ? truth : 'd', confidence }))
        for (const figure of Object.values(scoreAnswers(given))) assert.ok(figure >= 0 && figure <= 1)
        assert.equal(scoreAnswers(given.map((one) => ({ ...one, label: one.truth }))).macro_f1, 1)
      },
    ),
  )
})

test('the area under the curve is the share of pairs in the right order', () => {
  assert.equal(auroc([3, 4], [1, 2]), 1)
  assert.equal(auroc([1, 2], [3, 4]), 0)
  assert.equal(auroc([1, 1], [1, 1, 1]), 0.5)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1 }), fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1 }), (above, below) => {
      const pairs = above.flatMap((one) => below.map((other) => (one > other ? 1 : one === other ? 0.5 : 0) as number))
      assert.ok(Math.abs(auroc(above, below) - pairs.reduce((sum, pair) => sum + pair, 0) / pairs.length) < 1e-9)
    }),
  )
})

test('a quantile is a value that was there', () => {
  assert.equal(quantile([5, 1, 3], 0.5), 3)
  assert.equal(quantile([5, 1, 3], 1), 5)
  assert.equal(quantile([], 0.95), 0)
})
