import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recall, reciprocalRank, scoreRankings } from '#kb/rankings.ts'

const ranking = (found: string[], ...relevant: string[]) => ({ found, relevant: new Set(relevant) })

test('the figures of rankings are what their definitions say', () => {
  const scores = scoreRankings([ranking(['x', 'a', 'y'], 'a'), ranking(['b', 'x', 'c'], 'b', 'c')])
  assert.equal(scores.hit_at_1, 0.5)
  assert.equal(scores.hit_at_3, 1)
  assert.equal(scores.recall_at_10, 1)
  assert.equal(scores.mrr, 0.75)
  const [second, third] = [1 / Math.log2(3), 1 / Math.log2(4)]
  assert.ok(Math.abs(scores.ndcg_at_10 - (second + (1 + third) / (1 + second)) / 2) < 1e-9)
})

test('what is not found counts nothing', () => {
  assert.equal(reciprocalRank(ranking(['x'], 'a')), 0)
  assert.equal(recall(ranking(['x', 'y', 'a'], 'a'), 2), 0)
  assert.deepEqual(Object.values(scoreRankings([ranking([], 'a')])), [0, 0, 0, 0, 0])
})
