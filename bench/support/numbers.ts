/** The value below which the share `q` (0 to 1) of the numbers lies; null where there are none. */
export function quantile(numbers: readonly number[], q: number): number | null {
  const sorted = numbers.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? null
}

export const median = (numbers: readonly number[]): number | null => quantile(numbers, 0.5)

/** Least, middle and greatest of the ratios of what was measured in the same round, written `0.91 / 1.02 / 1.10`. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): string {
  const each = numerators.map((numerator, round) => numerator / denominators[round]!)
  return [Math.min(...each), median(each)!, Math.max(...each)].map((ratio) => ratio.toFixed(2)).join(' / ')
}

/** Three digits that mean something. */
export function rounded(number: number | null): number | null {
  return number === null || !Number.isFinite(number) ? null : Number(number.toPrecision(number >= 1_000 ? 5 : 3))
}
