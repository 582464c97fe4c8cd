import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../cli/program.ts'

const DATA = fileURLToPath(new URL('../../../shared/data/', import.meta.url))
const skip = existsSync(DATA) ? false : 'the data sets are not here'

const file = (...parts: string[]): string => join(DATA, ...parts)

async function figures(...args: string[]): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await run([...args, '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Record<string, number>
}

test('77 intents are told apart from five questions each and their names', { skip }, async () => {
  const found = await figures('ai', 'evaluate', '--train', file('banking77', 'train-5-per-class.csv'), '--test', file('banking77', 'test.csv'), '--label-names')
  assert.ok(found['accuracy']! >= 0.68, `accuracy ${found['accuracy']}`)
})

test('technical notes are found for the questions that they answer', { skip }, async () => {
  const found = await figures('kb', 'evaluate', '--corpus', file('techqa', 'corpus.jsonl'), '--queries', file('techqa', 'queries.jsonl'))
  assert.ok(found['ndcg_at_10']! >= 0.875, `nDCG@10 ${found['ndcg_at_10']}`)
  assert.ok(found['hit_at_3']! >= 0.9, `hit@3 ${found['hit_at_3']}`)
})

test('duplicates are among the first five like issues', { skip }, async () => {
  const folder = 'hadoop-duplicates'
  const found = await figures('tickets', 'evaluate-similar', '--issues', file(folder, 'issues.jsonl'), '--pairs', file(folder, 'duplicates.jsonl'))
  assert.ok(found['recall_at_5']! >= 0.86, `recall@5 ${found['recall_at_5']}`)
})

test('a new organisation has moods read by the lexicon', { skip }, async () => {
  const found = await figures('ai', 'evaluate', '--task', 'sentiment', '--test', file('senti4sd', 'train.csv'))
  assert.ok(found['macro_f1']! >= 0.78, `macro-F1 ${found['macro_f1']}`)
})
