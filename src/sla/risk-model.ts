import { boost, logistic, logit, predictRow, stagedPredictions } from '#ai/boosting.ts'
import type { BoostedTrees, BoostingOptions, Columns } from '#ai/boosting.ts'
import { scoreRisks } from './risk-measures.ts'
import type { RiskScores } from './risk-measures.ts'
import { encodeRows, learnEncoding } from './risk-columns.ts'
import type { RiskEncoding, RiskQuestion, RiskRow } from './risk-columns.ts'

/** With fewer cases than this, or fewer of either outcome, there is no model: what there is says too little of the next case. */
export const LEAST_CASES = 150
export const LEAST_OF_EACH = 25
/** The newest cases are held out: they say how many trees help, how sure the sum may be, and how good it all is. */
const HELD_OUT_SHARE = 0.2
const DURATION_ROUNDS = 120
const OPTIONS: BoostingOptions = {
  objective: 'probability',
  rounds: 400,
  depth: 5,
  rate: 0.05,
  rows: 0.7,
  columns: 0.5,
  lambda: 10,
  leastWeight: 5,
  seed: 498,
}
/** A temperature and a shift that were fitted to few rows are drawn towards none. */
const SHRINK = 20

/** The risk that a clock is missed, learned from cases that ended. Plain data. */
export interface RiskModel {
  encoding: RiskEncoding
  trees: BoostedTrees
  /** logit(risk) = slope * sum + shift */
  slope: number
  shift: number
  rows: number
  cases: number
  /** On the newest cases, by a model that had not seen them. */
  measured: RiskScores
  /** How long cases went on: null where that is not known of all rows. */
  duration: Duration | null
}

/** The logarithm of the seconds that were left, and how far off it was on the newest cases: one in ten lay below the first, one in ten above the last. */
interface Duration {
  trees: BoostedTrees
  off_by: [early: number, likely: number, late: number]
}

/** Seconds of the clock's time until the case is solved. */
export interface Remaining {
  early: number
  likely: number
  late: number
}

/** Learns from rows of ended cases; null where there are too few of them. Takes seconds: not for the event loop. */
export function learnRisk(rows: readonly RiskRow[]): RiskModel | null {
  const outcomes = new Map(rows.map(({ case_id, breached }) => [case_id, breached]))
  const missed = [...outcomes.values()].filter(Boolean).length
  if (outcomes.size < LEAST_CASES || Math.min(missed, outcomes.size - missed) < LEAST_OF_EACH) return null
  const [older, newer] = splitByTime(rows)
  const trial = fit(older, OPTIONS.rounds)
  const matrix = encodeRows(trial.encoding, newer)
  const best = bestRound(trial.trees, matrix, newer)
  const calibration = calibrate(best.sums, newer)
  const held = newer.map((row, index) => ({ ...row, risk: risk(calibration, best.sums[index]!) }))
  const whole = fit(rows, Math.max(1, Math.round(best.round * (rows.length / Math.max(1, older.length)) ** 0.5)))
  return {
    encoding: whole.encoding,
    trees: whole.trees,
    ...calibration,
    rows: rows.length,
    cases: outcomes.size,
    measured: scoreRisks(held),
    duration: learnDuration(older, newer, rows),
  }
}

/** How long the case of each question will go on, as a range that holds eight of ten; null where the model does not know. */
export function remainingOf(model: RiskModel, questions: readonly RiskQuestion[]): (Remaining | null)[] {
  const { duration } = model
  if (!duration) return questions.map(() => null)
  const matrix = encodeRows(model.encoding, questions)
  return questions.map((_, row) => {
    const said = predictRow(
      duration.trees,
      matrix.map((column) => column[row]!),
    )
    const [early, likely, late] = duration.off_by.map((off) => Math.max(0, Math.expm1(said + off))) as [number, number, number]
    return { early, likely, late }
  })
}

function learnDuration(older: readonly RiskRow[], newer: readonly RiskRow[], rows: readonly RiskRow[]): Duration | null {
  if (!rows.every(({ remaining_seconds }) => remaining_seconds !== undefined)) return null
  const left = (of: readonly RiskRow[]): Float64Array => Float64Array.from(of, ({ remaining_seconds }) => Math.log1p(remaining_seconds!))
  const options: BoostingOptions = { ...OPTIONS, objective: 'number', rounds: DURATION_ROUNDS }
  const trial = learnEncoding(older)
  const trees = boost(trial.matrix, left(older), options)
  const matrix = encodeRows(trial.encoding, newer)
  const truth = left(newer)
  const off = truth
    .map(
      (value, row) =>
        value -
        predictRow(
          trees,
          matrix.map((column) => column[row]!),
        ),
    )
    .toSorted()
  const at = (share: number): number => off[Math.min(off.length - 1, Math.floor(share * off.length))] ?? 0
  return { trees: boost(learnEncoding(rows).matrix, left(rows), options), off_by: [at(0.1), at(0.5), at(0.9)] }
}

/** The risk of each question, 0 to 1. */
export function risksOf(model: RiskModel, questions: readonly RiskQuestion[]): number[] {
  const matrix = encodeRows(model.encoding, questions)
  return questions.map((_, row) =>
    risk(
      model,
      predictRow(
        model.trees,
        matrix.map((column) => column[row]!),
      ),
    ),
  )
}

const risk = ({ slope, shift }: Pick<RiskModel, 'slope' | 'shift'>, sum: number): number => logistic(slope * sum + shift)

/** Whole cases, by when they were first seen, so that neither a case nor the future is on both sides. */
function splitByTime(rows: readonly RiskRow[]): [RiskRow[], RiskRow[]] {
  const first = new Map<string, number>()
  for (const { case_id, observed_at } of rows) first.set(case_id, Math.min(observed_at, first.get(case_id) ?? Number.POSITIVE_INFINITY))
  const order = [...first].toSorted((a, b) => a[1] - b[1]).map(([id]) => id)
  const held = new Set(order.slice(Math.floor(order.length * (1 - HELD_OUT_SHARE))))
  return [rows.filter(({ case_id }) => !held.has(case_id)), rows.filter(({ case_id }) => held.has(case_id))]
}

function fit(rows: readonly RiskRow[], rounds: number): { encoding: RiskEncoding; trees: BoostedTrees } {
  const { encoding, matrix } = learnEncoding(rows)
  const targets = Float64Array.from(rows, ({ breached }) => Number(breached))
  return { encoding, trees: boost(matrix, targets, { ...OPTIONS, rounds }) }
}

/** The round after which the held-out outcomes are most likely. */
function bestRound(trees: BoostedTrees, matrix: Columns, rows: readonly RiskRow[]): { round: number; sums: Float64Array } {
  let best = { round: 0, loss: Number.POSITIVE_INFINITY, sums: new Float64Array(rows.length) }
  stagedPredictions(trees, matrix, (round, sums) => {
    const loss = logLoss(sums, rows)
    if (loss < best.loss) best = { round, loss, sums: sums.slice() }
  })
  return best
}

function logLoss(sums: ArrayLike<number>, rows: readonly RiskRow[], slope = 1, shift = 0): number {
  let loss = 0
  for (const [index, { breached }] of rows.entries()) loss -= Math.log(Math.max(1e-9, logistic((breached ? 1 : -1) * (slope * sums[index]! + shift))))
  return loss
}

/** Slope and shift under which the held-out outcomes are most likely (Platt), by Newton steps. */
function calibrate(sums: Float64Array, rows: readonly RiskRow[]): { slope: number; shift: number } {
  let [slope, shift] = [1, 0]
  for (let step = 0; step < 20; step += 1) {
    let [g1, g0, h11, h10, h00] = [SHRINK * (slope - 1), SHRINK * shift, SHRINK, 0, SHRINK]
    for (const [index, { breached }] of rows.entries()) {
      const sum = sums[index]!
      const said = logistic(slope * sum + shift)
      const [wrong, weight] = [said - Number(breached), said * (1 - said)]
      g1 += wrong * sum
      g0 += wrong
      h11 += weight * sum * sum
      h10 += weight * sum
      h00 += weight
    }
    const determinant = h11 * h00 - h10 * h10
    slope -= (h00 * g1 - h10 * g0) / determinant
    shift -= (h11 * g0 - h10 * g1) / determinant
  }
  return Number.isFinite(slope) && slope > 0 ? { slope, shift } : { slope: 1, shift: logit(0.5) }
}
