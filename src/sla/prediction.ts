import type { Reading } from './cycles.ts'

/** Fewer past clocks than this say nothing about the next one. */
const MIN_HISTORY = 30
/** The newest past clocks that a prediction asks. */
export const HISTORY_ROWS = 2_000

/** What a risk was computed from. */
type RiskBasis = 'model' | 'history' | 'elapsed_share' | 'breached' | 'no_policy' | 'no_running_clock'

export interface Risk {
  /** Probability of missing the target, 0 to 1; null where there is nothing to miss. */
  risk: number | null
  basis: RiskBasis
  /** The past clocks that were asked, where they were. */
  rows: number
}

/** How much of the target is used up, 0 at the start. */
export function usedShare(reading: Reading | null): number {
  return reading?.target ? Math.min(1, reading.elapsed / reading.target) : 0
}

/**
 * The risk that a resolution clock is missed: of the past clocks that had got as far as this one, the share that was
 * missed (with one met and one missed added, so that few rows are never certain); with too few of them, the share of
 * the target that is used up. Pure.
 */
export function riskOf(clock: { hasTarget: boolean; reading: Reading | null }, past: { rows: number; missed: number }): Risk {
  if (!clock.hasTarget) return { risk: null, basis: 'no_policy', rows: 0 }
  if (clock.reading && clock.reading.fulfilled_at !== null) return { risk: null, basis: 'no_running_clock', rows: 0 }
  if (clock.reading?.breach) return { risk: 1, basis: 'breached', rows: 0 }
  if (past.rows >= MIN_HISTORY) return { risk: (past.missed + 1) / (past.rows + 2), basis: 'history', rows: past.rows }
  return { risk: usedShare(clock.reading), basis: 'elapsed_share', rows: past.rows }
}
