import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bestPassage, passagesOf } from '#kb/passages.ts'
import { SearchIndex } from '#kb/search-index.ts'

const entries = [
  { title: 'Reset your password', text: 'Press forgot password on the sign-in page.', item: 'password' },
  { title: 'Paper jam', text: 'Open the rear door of the printer.', item: 'jam' },
  { title: 'Meeting rooms', text: 'Rooms are booked in the calendar.', item: 'rooms' },
]

test('the entry that speaks of the query comes first, whatever the form of its words', async () => {
  const index = await SearchIndex.learn(entries)
  assert.equal(index.search('passwords resetting', 3)[0]!.item, 'password')
  assert.equal(index.search('the printers are jammed with papers', 3)[0]!.item, 'jam')
})

test('a query that shares no word with any entry finds nothing', async () => {
  const index = await SearchIndex.learn(entries)
  assert.deepEqual(index.search('zebra giraffe', 3), [])
  assert.deepEqual(index.search('', 3), [])
  assert.deepEqual((await SearchIndex.learn([])).search('password', 3), [])
})

test('a relevance is a share, falls down the list, and what is not accepted is not found', async () => {
  const index = await SearchIndex.learn(entries)
  const hits = index.search('the door of the meeting room: password in the calendar', 3)
  assert.ok(hits.every(({ relevance }, position) => relevance > 0 && relevance <= 1 && (position === 0 || relevance <= hits[position - 1]!.relevance)))
  assert.ok(index.search('password', 3, (item) => item !== 'password').every(({ item }) => item !== 'password'))
})

test('passages are word for word, no longer than asked, and together lose no word', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('word ', 'Sentence ends. ', 'really? ', '\n', '\n\n', 'x'.repeat(120)), { maxLength: 60 }), (parts) => {
      const text = parts.join('')
      const passages = passagesOf(text, 100)
      assert.ok(passages.every((passage) => text.includes(passage) && passage.length <= 100 && passage.length > 0))
      const letters = (of: string): number => of.replaceAll(/\s/g, '').length
      assert.equal(letters(passages.join('')), letters(text))
    }),
  )
})

test('a text of empty lines is cut at once', () => {
  const began = performance.now()
  assert.deepEqual(passagesOf(`Above.\n\n${'\n'.repeat(100_000)}Below.`), ['Above.', 'Below.'])
  // Milliseconds; where each line is looked for from the beginning, ten seconds, during which its worker would not beat.
  assert.ok(performance.now() - began < 5_000)
})

test('the best passage is the one with most of the words asked for', () => {
  const text = 'Open the client.\n\nRenew the certificate in the settings.\n\nClose the client.'
  assert.match(bestPassage(text, 'how to renew a certificate', 60)!.passage, /Renew the certificate/)
  assert.equal(bestPassage('', 'anything'), null)
})
