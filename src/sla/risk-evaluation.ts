import { aucByAge, scoreRisks } from './risk-measures.ts'
import type { RiskScores } from './risk-measures.ts'
import { learnRisk, risksOf } from './risk-model.ts'
import type { RiskRow } from './risk-columns.ts'

/** What `sla evaluate` prints. */
export interface RiskEvaluation extends Omit<RiskScores, 'rows'> {
  by_age: ReturnType<typeof aucByAge>
  train_rows: number
  train_cases: number
  test_rows: number
  test_cases: number
  /** Rows of the training file that were not learned from, because the test file has their case. */
  dropped_train_rows: number
  /** Columns that were not used, with the reason. */
  left_out: Record<string, string>
  /** `model`, or `elapsed_share` where there was too little to learn from. */
  basis: 'model' | 'elapsed_share'
  trees: number
  train_seconds: number
  p95_ms: number
}

/** Learns as TRAIN_MODEL does, and answers the test rows as SLA_PREDICT does. No case is on both sides. */
export function evaluateRisk({ train, test }: { train: readonly RiskRow[]; test: readonly RiskRow[] }): RiskEvaluation {
  const tested = new Set(test.map(({ case_id }) => case_id))
  const kept = train.filter(({ case_id }) => !tested.has(case_id))
  const started = performance.now()
  const model = learnRisk(kept)
  const train_seconds = (performance.now() - started) / 1_000
  const times: number[] = []
  const judged = test.map((row) => {
    const begin = performance.now()
    const risk = model ? risksOf(model, [row])[0]! : Math.min(1, row.elapsed_seconds / row.target_seconds)
    times.push(performance.now() - begin)
    return { ...row, risk }
  })
  const { rows: _rows, ...scores } = scoreRisks(judged)
  return {
    ...scores,
    by_age: aucByAge(judged),
    train_rows: kept.length,
    train_cases: new Set(kept.map(({ case_id }) => case_id)).size,
    test_rows: test.length,
    test_cases: tested.size,
    dropped_train_rows: train.length - kept.length,
    left_out: model?.encoding.left_out ?? {},
    basis: model ? 'model' : 'elapsed_share',
    trees: model?.trees.trees.length ?? 0,
    train_seconds,
    p95_ms: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? 0,
  }
}
