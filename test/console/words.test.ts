import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSearch, writeSearch } from '#console/client/job-filter.ts'
import { whyOf } from '#console/client/desk/why.ts'
import { bytes, percent, rate } from '#console/client/times.ts'

test('what is typed into the search is filters and a text, and is written back as it was typed', () => {
  assert.deepEqual(parseSearch('queue:ai type:probe  two words worker:3'), { queue: 'ai', job_type: 'PROBE', locked_by: '3', q: 'two words' })
  assert.equal(writeSearch(parseSearch('type:PROBE queue:ai two words')), 'type:PROBE queue:ai two words')
  assert.deepEqual(parseSearch('nothing:here http://x'), { q: 'nothing:here http://x' })
  assert.deepEqual(parseSearch('  '), {})
})

test('"after:2h" is two hours ago, and a day is its beginning in UTC', () => {
  assert.ok(Math.abs(Date.parse(parseSearch('after:2h').created_after!) - (Date.now() - 7_200_000)) < 60_000)
  assert.equal(parseSearch('before:2026-02-13').created_before, '2026-02-13T00:00:00Z')
})

test('rates, sizes and shares are told to a few digits', () => {
  assert.deepEqual([12_345, 4.06, 0.3, 0.001].map(rate), ['12.3k/s', '4.1/s', '18/min', '3.6/h'])
  assert.deepEqual([12, 1_500, 14_336_000, 1_395_864_371].map(bytes), ['12 B', '1.5 kB', '14 MB', '1.3 GB'])
  assert.deepEqual([0, 0.97, 0.042, 0.000_31].map(percent), ['0 %', '97 %', '4.2 %', '0.031 %'])
})

test('why triage says something: the words with their weights, else what else spoke for it', () => {
  const words = [{ words: 'paper jam', weight: 0.4171 }, { words: 'toner' }]
  assert.equal(whyOf({ words, nearest: [{ number: 7 }] }), 'because of paper jam (0.42), toner')
  assert.equal(whyOf({ words, reason: 'not sure enough' }), 'not sure enough; because of paper jam (0.42), toner')
  assert.equal(whyOf({ words: [], reason: 'no word of the ticket is known' }), 'no word of the ticket is known')
  assert.equal(whyOf({ services: ['Printers', 'Network'] }), 'works on Printers, Network')
  assert.equal(whyOf({ share: 0.7, nearest: [{ number: 7 }, { number: 9 }] }), 'like #7, #9')
  for (const nothing of [null, undefined, 'words', {}, { words: 'toner' }, { words: [null, 3, { words: '' }] }]) assert.equal(whyOf(nothing), null)
})
