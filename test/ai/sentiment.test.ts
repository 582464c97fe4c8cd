import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutManners } from '#ai/manners.ts'
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

test('a polite letter that asks for something has no mood, however its thanks and greetings are put', () => {
  for (const letter of [
    'Good morning, could you please order a second monitor for our new colleague? Thanks!',
    'Hello, please cancel the meeting room on Tuesday.\nThank you for your help and have a great day,\nAnna Berg, Facilities, floor 4, +49 30 1234',
    'Hi all, I need access to the shared folder of the finance team. Many thanks\n\nBest,\nOmar',
    'Dear colleagues, kindly find the form attached. I would appreciate it if you could approve it by Friday.\nYours sincerely\nJo',
    'hi please add network drive thank you wednesday re network drive good afternoon please log best regards engineer',
    'I hope this email finds you well. Can you tell me who owns the mailbox? Do not hesitate to call. Cheers, Bo',
  ]) {
    assert.equal(sentimentOf(letter).label, 'neutral', letter)
  }
})

test('what a desk deals in is no mood: leave forms, urgent orders, support requests, errors, stopped jobs', () => {
  for (const request of [
    'Leaver form: her maternity leave begins in March, close the accounts of the leaver.',
    'Urgent: critical error in the nightly job, kill the process and restore the backup.',
    'Support request: resolve the issue with the secure connection, the alert says that the disk is missing.',
    'Lost access card, the old one was stolen and must be blocked.',
  ]) {
    const { label, words } = sentimentOf(request)
    assert.deepEqual([label, words], ['neutral', []], request)
  }
})

test('thanks for what was done are meant, and so is anger in a polite letter', () => {
  assert.equal(sentimentOf('Thanks a lot, the new laptop works. Please close the ticket.').label, 'positive')
  assert.equal(sentimentOf('Please close the ticket. Thank you so much for the quick and friendly help, Tomas is great!').label, 'positive')
  assert.equal(
    sentimentOf('Good morning, this is unacceptable. Please fix it at last, I am angry and very disappointed. Thanks in advance, kind regards, Kim').label,
    'negative',
  )
})

test('what is left of a letter without its manners is what it says', () => {
  assert.equal(withoutManners('Good day').trim(), '')
  assert.match(withoutManners('Thank you in advance for the two boxes that come tomorrow at noon'), /two boxes/)
  assert.match(withoutManners('Thanks for nothing'), /awful/)
})

test('a language that the lexicon does not know is read as neutral, not by words that look English', () => {
  const german = 'Die Tastatur und die Maus sind angekommen, die Rechnung war aber nicht dabei. Mit freundlichen Grüßen'
  assert.deepEqual([sentimentOf(german).label, sentimentOf(german).words], ['neutral', []])
})

test('a hostile closing is read at once, however its words could be divided', () => {
  const letter = 'The printer on floor four prints nothing at all since Monday. Thanks '
  for (const end of [`${'a'.repeat(10_000)}1`, `${'.'.repeat(10_000)}1`, `${' '.repeat(10_000)}1`, 'thanks '.repeat(1_500)]) {
    const began = performance.now()
    sentimentOf(letter + end)
    // Milliseconds; where a word can be divided into six, hours.
    assert.ok(performance.now() - began < 5_000, end.slice(0, 20))
  }
})
