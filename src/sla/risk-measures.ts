import { auroc } from '#ai/measures.ts'

const BINS = 10
/** Bounds of the groups by how much of the target was used up. */
const AGES = [0.25, 0.5, 0.75, 1] as const

/** What was said of a row, and what became of it. */
export interface JudgedRisk {
  risk: number
  breached: boolean
  elapsed_seconds: number
  target_seconds: number
}

export interface RiskScores {
  rows: number
  /** Null where all rows ended the same way. */
  auc: number | null
  brier: number
  ece: number
  /** What the share of the target that is used up would have scored. */
  auc_elapsed_share: number | null
  brier_elapsed_share: number
}

/** How good risks were, beside the share of time elapsed as the thing to beat. */
export function scoreRisks(judged: readonly JudgedRisk[]): RiskScores {
  const shares = judged.map((row) => ({ ...row, risk: elapsedShare(row) }))
  return {
    rows: judged.length,
    auc: aucOf(judged),
    brier: brierOf(judged),
    ece: eceOf(judged),
    auc_elapsed_share: aucOf(shares),
    brier_elapsed_share: brierOf(shares),
  }
}

/** The same by how far the clocks had got. */
export function aucByAge(judged: readonly JudgedRisk[]): { age: string; rows: number; auc: number | null }[] {
  const groups = [...AGES, Number.POSITIVE_INFINITY].map((upper, index) => {
    const lower = AGES[index - 1] ?? Number.NEGATIVE_INFINITY
    const rows = judged.filter((row) => row.elapsed_seconds / row.target_seconds >= lower && row.elapsed_seconds / row.target_seconds < upper)
    const age = upper === Number.POSITIVE_INFINITY ? '100 % and more' : `${index === 0 ? 0 : lower * 100} to ${upper * 100} %`
    return { age, rows: rows.length, auc: aucOf(rows) }
  })
  return groups.filter(({ rows }) => rows > 0)
}

function elapsedShare({ elapsed_seconds, target_seconds }: JudgedRisk): number {
  return Math.min(1, Math.max(0, elapsed_seconds / target_seconds))
}

function aucOf(judged: readonly JudgedRisk[]): number | null {
  const of = (breached: boolean): number[] => judged.filter((row) => row.breached === breached).map(({ risk }) => risk)
  const [above, below] = [of(true), of(false)]
  return above.length === 0 || below.length === 0 ? null : auroc(above, below)
}

function brierOf(judged: readonly JudgedRisk[]): number {
  return judged.reduce((sum, { risk, breached }) => sum + (risk - Number(breached)) ** 2, 0) / Math.max(1, judged.length)
}

/** Expected calibration error over ten equal bins of risk. */
function eceOf(judged: readonly JudgedRisk[]): number {
  let error = 0
  for (let bin = 0; bin < BINS; bin += 1) {
    const inBin = judged.filter(({ risk }) => Math.min(BINS - 1, Math.floor(risk * BINS)) === bin)
    const gap = inBin.reduce((sum, { risk, breached }) => sum + risk - Number(breached), 0)
    error += Math.abs(gap) / Math.max(1, judged.length)
  }
  return error
}
