import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sentimentOf } from '#ai/sentiment.ts'

test('anger is negative, thanks are positive, a report of a fault is neutral', () => {
  assert.equal(sentimentOf('This is unacceptable, the worst and most useless service. I am furious!').label, 'negative')
  assert.equal(sentimentOf('Thank you so much, great and friendly help, excellent!').label, 'positive')
  assert.equal(sentimentOf('Error 503 when the report fails to load, please stop the job.').label, 'neutral')
})

test('a negation turns a word round, and an exclamation mark makes it stronger', () => {
  assert.ok(sentimentOf('not good').score < 0)
  assert.ok(sentimentOf('The visit was not great').score < sentimentOf('The visit was great').score)
  assert.ok(sentimentOf('I love it!').score > sentimentOf('I love it').score)
})

test('a text without a known word is neutral, and names no word', () => {
  const { label, score, words } = sentimentOf('qwrtz 123')
  assert.deepEqual([label, score, words], ['neutral', 0, []])
})

test('a confidence is a share of three: above a third, below one', () => {
  for (const text of ['', 'awful awful awful!!!', 'great', 'meh']) {
    const { confidence } = sentimentOf(text)
    assert.ok(confidence > 1 / 3 && confidence < 1, text)
  }
})

test('good manners are no mood: how a letter begins and ends says nothing', () => {
  const request = 'Dear team, the printer on floor 4 prints blank pages since Monday, please help.'
  assert.equal(sentimentOf(request).label, 'neutral')
  assert.equal(sentimentOf(`${request}\nThank you in advance and best regards,\nKim Lee`).label, 'neutral')
  assert.equal(sentimentOf('Thank you, it works now!').label, 'positive')
  assert.equal(sentimentOf('Thanks for nothing, the worst support ever.').label, 'negative')
})
