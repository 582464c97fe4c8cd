import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '#ai/digest.ts'

test('a thread is told in its own sentences, the central ones, without repeating one', () => {
  const { summary, key_points } = digestOf([
    'Invoice is wrong\nThe invoice for March charges the grinder twice. I had a nice weekend. Please correct the March invoice.',
    'We see the grinder twice on the invoice for March.',
    'The invoice for March charges the grinder twice.',
  ])
  assert.match(summary, /invoice for March/)
  assert.equal(key_points.filter((point) => /charges the grinder twice/.test(point)).length, 1)
})

test('whatever the texts, each point is a part of one of them', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 8 }), (texts) => {
      const { summary, key_points } = digestOf(texts)
      assert.ok(key_points.length <= 5)
      for (const point of key_points) assert.ok(texts.some((text) => text.includes(point)) || point.length === 400)
      assert.equal(summary === '', key_points.length === 0)
    }),
  )
})
