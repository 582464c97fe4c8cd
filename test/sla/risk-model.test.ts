import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boost, logistic, predictRow } from '#ai/boosting.ts'
import { encodeRows, learnEncoding } from '#sla/risk-columns.ts'
import type { RiskRow } from '#sla/risk-columns.ts'
import { evaluateRisk } from '#sla/risk-evaluation.ts'
import { learnRisk, risksOf } from '#sla/risk-model.ts'
import { scoreRisks } from '#sla/risk-measures.ts'
import { madeUpCases } from '../support/risk-rows.ts'

const rows = madeUpCases(1_600)
const train = rows.filter(({ observed_at }) => observed_at < Date.parse('2026-02-06T00:00:00Z'))
const held = rows.filter(({ observed_at }) => observed_at >= Date.parse('2026-02-06T00:00:00Z'))

test('what is foreseen beats the share of time elapsed, is calibrated, and says how it was come by', () => {
  const found = evaluateRisk({ train, test: held })
  assert.equal(found.basis, 'model')
  assert.ok(found.auc! > 0.85 && found.auc! > found.auc_elapsed_share! + 0.2, `AUC ${found.auc}, elapsed share ${found.auc_elapsed_share}`)
  assert.ok(found.brier < found.brier_elapsed_share - 0.1 && found.ece < 0.08, `Brier ${found.brier}, ECE ${found.ece}`)
  assert.deepEqual(
    found.by_age.map(({ age }) => age),
    ['0 to 25 %', '25 to 50 %', '50 to 75 %', '75 to 100 %'],
  )
  assert.equal(
    found.by_age.reduce((sum, { rows }) => sum + rows, 0),
    held.length,
  )
})

test('a case that is in both files is not learned from', () => {
  const found = evaluateRisk({ train: rows, test: held })
  const tested = new Set(held.map(({ case_id }) => case_id))
  assert.equal(found.dropped_train_rows, rows.filter(({ case_id }) => tested.has(case_id)).length)
  assert.equal(found.train_rows + found.dropped_train_rows, rows.length)
})

const withFeature = (name: string, of: (row: RiskRow) => string): RiskRow[] => train.map((row) => ({ ...row, features: { ...row.features, [name]: of(row) } }))

test('columns that were written afterwards are left out: by their name, by times that lie ahead, or because they tell all', () => {
  const leaks: [string, (row: RiskRow) => string, RegExp][] = [
    ['closed_code', () => 'code 5', /by its name/],
    ['made_sla', ({ breached }) => String(!breached), /by its name/],
    ['last_visit', ({ observed_at }) => new Date(observed_at + 60_000).toISOString(), /after their row/],
    ['flag', ({ breached }) => (breached ? 'x' : 'y'), /by itself/],
    ['nothing', () => '', /no values/],
  ]
  for (const [name, of, reason] of leaks) assert.match(learnEncoding(withFeature(name, of)).encoding.left_out[name] ?? '', reason, name)
  const { encoding } = learnEncoding(withFeature('opened_at', ({ observed_at }) => new Date(observed_at - 60_000).toISOString()))
  assert.deepEqual(encoding.left_out, {})
  assert.equal(encoding.columns.find(({ name }) => name === 'opened_at')!.kind, 'age')
})

test('no row is encoded by what became of its own case: a value of one case says nothing', () => {
  const marked = withFeature('token', ({ case_id }) => `secret of ${case_id}`)
  const { encoding, matrix } = learnEncoding(marked)
  const column =
    9 +
    encoding.columns
      .slice(
        0,
        encoding.columns.findIndex(({ name }) => name === 'token'),
      )
      .reduce((sum, { kind }) => sum + (kind === 'text' ? 2 : 1), 0)
  assert.equal(new Set(matrix[column]).size, 1)
})

test('a value that was never seen is what all cases are, and odd names do no harm', () => {
  const { encoding } = learnEncoding(withFeature('odd', () => '__proto__'))
  const matrix = encodeRows(encoding, [{ ...train[0]!, features: { service: 'constructor', odd: 'toString' } }])
  assert.ok(matrix.every((column) => column.length === 1))
})

test('whole numbers that stand for groups are read as names too', () => {
  const group = (row: RiskRow): string => String((Number(row.case_id.slice(5)) * 7) % 40)
  const { encoding } = learnEncoding(withFeature('group', group))
  assert.deepEqual(
    encoding.columns.filter(({ name }) => name === 'group').map(({ kind }) => kind),
    ['number', 'text'],
  )
  assert.equal(encodeRows(encoding, [train[0]!]).length, learnEncoding(withFeature('group', group)).matrix.length)
})

test('with too few cases there is no model, and the share of time elapsed is said to be that', () => {
  const few = madeUpCases(100)
  assert.equal(learnRisk(few), null)
  const found = evaluateRisk({ train: few, test: held })
  assert.deepEqual([found.basis, found.auc, found.brier], ['elapsed_share', found.auc_elapsed_share, found.brier_elapsed_share])
})

test('the same rows give the same model, one that survives being written down', () => {
  const some = madeUpCases(400)
  const [one, two] = [learnRisk(some)!, learnRisk(some)!]
  assert.deepEqual(one, two)
  const kept = JSON.parse(JSON.stringify(one)) as typeof one
  assert.deepEqual(risksOf(kept, held.slice(0, 50)), risksOf(one, held.slice(0, 50)))
  assert.ok(risksOf(one, held).every((risk) => risk > 0 && risk < 1))
})

test('trees find an interaction that no single column shows, also where values are missing', () => {
  const side = 40
  const cells = Array.from({ length: side * side }, (_, index) => [Math.floor(index / side), index % side] as const)
  const columns = [0, 1].map((axis) => Float64Array.from(cells, (cell, index) => (axis === 0 && index % 7 === 0 ? Number.NaN : cell[axis]!)))
  const truth = (x: number, y: number): boolean => x < 20 !== y < 20
  const targets = Float64Array.from(cells, ([x, y]) => Number(truth(x, y)))
  const trees = boost(columns, targets, {
    objective: 'probability',
    rounds: 60,
    depth: 4,
    rate: 0.3,
    rows: 0.8,
    columns: 1,
    lambda: 1,
    leastWeight: 1,
    seed: 7,
  })
  const right = cells.filter(([x, y], index) => index % 7 === 0 || logistic(predictRow(trees, [x, y])) > 0.5 === truth(x, y))
  assert.ok(right.length / cells.length > 0.99)
})

test('scores are what they are by hand', () => {
  const judged = [
    { risk: 0.9, breached: true, elapsed_seconds: 10, target_seconds: 100 },
    { risk: 0.1, breached: false, elapsed_seconds: 90, target_seconds: 100 },
  ]
  const scores = scoreRisks(judged)
  assert.deepEqual([scores.auc, scores.auc_elapsed_share], [1, 0])
  assert.ok(Math.abs(scores.brier - 0.01) < 1e-9 && Math.abs(scores.brier_elapsed_share - 0.81) < 1e-9 && Math.abs(scores.ece - 0.1) < 1e-9)
  assert.equal(scoreRisks([judged[0]!]).auc, null)
})
