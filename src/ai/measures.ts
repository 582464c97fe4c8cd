import { calibrationError } from './calibration.ts'

/** One answer to a text whose label is known. */
export interface Answer {
  truth: string
  /** Null where the model had nothing to say. */
  label: string | null
  confidence: number
}

/** The share of answers that an organisation would let through: the surest ones. */
const COVERAGE = 0.8

/** How good the answers are: all of them, by class, the surest four fifths, and how far sureness and rightness lie apart. */
export function scoreAnswers(answers: readonly Answer[]): { accuracy: number; macro_f1: number; ece: number; accuracy_at_80_coverage: number } {
  const surest = answers.toSorted((a, b) => b.confidence - a.confidence).slice(0, Math.ceil(answers.length * COVERAGE))
  return {
    accuracy: accuracyOf(answers),
    macro_f1: macroF1(answers),
    ece: calibrationError(answers.map((answer) => ({ confidence: answer.confidence, right: isRight(answer) }))),
    accuracy_at_80_coverage: accuracyOf(surest),
  }
}

/** The chance that one of `above` scores higher than one of `below`; a tie counts half. */
export function auroc(above: readonly number[], below: readonly number[]): number {
  const all = [...above.map((score) => ({ score, up: true })), ...below.map((score) => ({ score, up: false }))].toSorted((a, b) => a.score - b.score)
  let ranks = 0
  for (let start = 0; start < all.length;) {
    let end = start
    while (end < all.length && all[end]!.score === all[start]!.score) end += 1
    const rank = (start + end + 1) / 2
    for (; start < end; start += 1) if (all[start]!.up) ranks += rank
  }
  return (ranks - (above.length * (above.length + 1)) / 2) / (above.length * below.length)
}

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

function isRight({ truth, label }: Answer): boolean {
  return truth === label
}

function accuracyOf(answers: readonly Answer[]): number {
  return answers.filter(isRight).length / Math.max(1, answers.length)
}

function macroF1(answers: readonly Answer[]): number {
  const counts = new Map<string, { right: number; given: number; true: number }>()
  const of = (label: string) => counts.getOrInsertComputed(label, () => ({ right: 0, given: 0, true: 0 }))
  for (const { truth, label } of answers) {
    of(truth).true += 1
    if (label === null) continue
    of(label).given += 1
    if (label === truth) of(label).right += 1
  }
  let sum = 0
  for (const { right, given, true: real } of counts.values()) sum += (2 * right) / (given + real)
  return sum / Math.max(1, counts.size)
}
