import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextClassifier } from '#ai/classifier.ts'
import { decodeModel, encodeModel } from '#ai/model-file.ts'

const EXAMPLES = Array.from({ length: 12 }, (_, index) => [
  { text: `red apple tree ${index}`, label: 'fruit' },
  { text: `car engine noise ${index}`, label: 'vehicle' },
  { text: `printer paper jam ${index}`, label: 'office' },
]).flat()

test('a model that was kept and read again answers as before', async () => {
  const learned = await TextClassifier.learn(EXAMPLES)
  const bytes = encodeModel(learned.data)
  const read = new TextClassifier(decodeModel(bytes)!)
  assert.deepEqual(read.labels, learned.labels)
  assert.deepEqual(read.measured, learned.measured)
  for (const text of ['an apple', 'the engine of the car', 'paper', 'nothing known']) {
    const [before, after] = [learned.rank(text), read.rank(text)]
    assert.deepEqual(
      after.map(({ label }) => label),
      before.map(({ label }) => label),
    )
    for (const [index, { confidence }] of before.entries()) assert.ok(Math.abs(confidence - after[index]!.confidence) < 0.01)
    assert.equal(read.isFamiliar(text), learned.isFamiliar(text))
  }
})

test('a torn file is an error, never half a model', async () => {
  const { data } = await TextClassifier.learn(EXAMPLES)
  assert.throws(() => decodeModel(encodeModel(data).subarray(0, 200)))
})

test('learning that is aborted ends with the reason, and the next one begins', async () => {
  const abort = new AbortController()
  const learning = TextClassifier.learn(EXAMPLES, abort.signal)
  abort.abort(new Error('no longer wanted'))
  await assert.rejects(learning, /no longer wanted/)
  assert.equal((await TextClassifier.learn(EXAMPLES)).rank('an apple')[0]!.label, 'fruit')
})
