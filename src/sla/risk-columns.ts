import type { Columns } from '#ai/boosting.ts'
import { auroc } from '#ai/measures.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A value of few cases is drawn towards what all cases do by as many votes as this. */
const PRIOR_CASES = 10
/** Parts into which cases are dealt, so that no row is encoded by what became of its own case. */
const FOLDS = 5
/** What tells the outcome so well by itself was written after it. */
const TOO_GOOD = 0.985
/** A column of whole numbers is also read as names where it has so many of them, each for so many cases on average. */
const CODES_LEAST = 20
const CODE_CASES = 3
/** Names of what is only known once a case is over. */
const AFTERWARDS = /(^|_)(closed?|closure|resolv\w*|resolution|solved|solution|made_sla|breach\w*|outcome|completed|finished|ended)(_|$)/i

/** A case as it was known at an instant, and what became of it. */
export interface RiskRow {
  case_id: string
  /** Milliseconds since 1970. */
  observed_at: number
  target_seconds: number
  elapsed_seconds: number
  features: Readonly<Record<string, string>>
  breached: boolean
  /** Of the clock's time, from then until the case was solved; where it is known. */
  remaining_seconds?: number
}

/** What is asked for: a row whose outcome is not known yet. */
export type RiskQuestion = Omit<RiskRow, 'breached' | 'case_id' | 'remaining_seconds'>

interface TextColumn {
  kind: 'text'
  name: string
  prior: number
  /** Share of breached cases behind each value, and how many cases there were. */
  shares: Record<string, [share: number, cases: number]>
}
type Column = TextColumn | { kind: 'number' | 'age'; name: string }

/** How rows become numbers; plain data, so that it can be kept. */
export interface RiskEncoding {
  columns: Column[]
  /** Columns that are not used, with the reason. */
  left_out: Record<string, string>
}

/** Works out how rows become numbers, and what these rows are as numbers: each encoded by cases other than its own. */
export function learnEncoding(rows: readonly RiskRow[]): { encoding: RiskEncoding; matrix: Columns } {
  const left_out: Record<string, string> = {}
  const columns: Column[] = []
  const values: Float64Array[][] = []
  const folds = foldsOf(rows)
  for (const name of Object.keys(rows[0]?.features ?? {})) {
    const kind = kindOf(rows, name)
    const reason = reasonAgainst(kind, name)
    const learned = kind === 'empty' || kind === 'future' || reason !== null ? [] : learnColumns(rows, kind, name, folds)
    if (reason !== null) left_out[name] = reason
    else if (learned.some(({ values }) => tellsAll(rows, values[0]!))) left_out[name] = 'tells the outcome by itself'
    else {
      columns.push(...learned.map(({ column }) => column))
      values.push(...learned.map((one) => one.values))
    }
  }
  const clock = clockColumns(rows)
  return { encoding: { columns, left_out }, matrix: [...clock, ...values.flat()] }
}

function reasonAgainst(kind: ReturnType<typeof kindOf>, name: string): string | null {
  if (kind === 'empty') return 'has no values'
  if (AFTERWARDS.test(name)) return 'is known afterwards, by its name'
  return kind === 'future' ? 'has times that lie after their row' : null
}

function learnColumns(rows: readonly RiskRow[], kind: Column['kind'], name: string, folds: Uint8Array): { column: Column; values: Float64Array[] }[] {
  const asText = kind === 'text' || isCode(rows, kind, name) ? [learnText(rows, name, folds)] : []
  return kind === 'text' ? asText : [{ column: { kind, name }, values: [Float64Array.from(rows, (row) => numberOf(kind, row, name))] }, ...asText]
}

/** The rows as numbers, by an encoding that was learned from others. */
export function encodeRows({ columns }: RiskEncoding, rows: readonly RiskQuestion[]): Columns {
  const encoded = columns.flatMap((column) =>
    column.kind === 'text'
      ? [0, 1].map((part) => Float64Array.from(rows, (row) => sharesOf(column, row.features[column.name] ?? '')[part]!))
      : [Float64Array.from(rows, (row) => numberOf(column.kind, row, column.name))],
  )
  return [...clockColumns(rows), ...encoded]
}

/** What the clock alone says: how much is used up, how much there was, when it is, and what lies between now and the due time. */
function clockColumns(rows: readonly RiskQuestion[]): Float64Array[] {
  const of = (value: (row: RiskQuestion) => number): Float64Array => Float64Array.from(rows, value)
  const left = (row: RiskQuestion): number => row.target_seconds - row.elapsed_seconds
  const due = (row: RiskQuestion): number => row.observed_at + left(row) * 1_000
  return [
    of((row) => row.elapsed_seconds / row.target_seconds),
    of((row) => Math.log1p(row.target_seconds)),
    of((row) => Math.log1p(Math.max(0, row.elapsed_seconds))),
    of((row) => Math.log1p(Math.max(0, left(row)))),
    of((row) => hourOfDay(row.observed_at)),
    of((row) => dayOfWeek(row.observed_at)),
    of((row) => hourOfDay(due(row))),
    of((row) => dayOfWeek(due(row))),
    of((row) => weekendDays(row.observed_at, due(row))),
  ]
}

const hourOfDay = (at: number): number => (at % DAY_MS) / HOUR_MS
/** 1970 began on a Thursday. */
const dayOfWeek = (at: number): number => (Math.floor(at / DAY_MS) + 3) % 7

function weekendDays(from: number, to: number): number {
  const until = (at: number): number => {
    const days = at / DAY_MS + 3
    const weeks = Math.floor(days / 7)
    return weeks * 2 + Math.max(0, days - weeks * 7 - 5)
  }
  return until(Math.max(from, to)) - until(from)
}

function kindOf(rows: readonly RiskRow[], name: string): Column['kind'] | 'empty' | 'future' {
  const known = rows.filter((row) => (row.features[name] ?? '') !== '')
  if (known.length === 0) return 'empty'
  if (known.every((row) => Number.isFinite(Number(row.features[name])))) return 'number'
  if (!known.every((row) => isInstant(row.features[name]!))) return 'text'
  // Half a second of rounding is no knowledge of the future.
  return known.some((row) => Date.parse(row.features[name]!) > row.observed_at + 500) ? 'future' : 'age'
}

/** Whole numbers of which each stands for many cases may be names of something: groups, people. */
function isCode(rows: readonly RiskRow[], kind: Column['kind'], name: string): boolean {
  if (kind !== 'number') return false
  const cases = new Map<string, Set<string>>()
  for (const { case_id, features } of rows) cases.getOrInsertComputed(features[name] ?? '', () => new Set()).add(case_id)
  const named = [...cases.keys()].filter((value) => value !== '')
  if (named.length < CODES_LEAST || !named.every((value) => /^\d+$/.test(value))) return false
  return named.reduce((sum, value) => sum + cases.get(value)!.size, 0) / named.length >= CODE_CASES
}

const isInstant = (text: string): boolean => /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(text) && !Number.isNaN(Date.parse(text))

function numberOf(kind: 'number' | 'age', row: RiskQuestion, name: string): number {
  const text = row.features[name] ?? ''
  if (text === '') return Number.NaN
  return kind === 'number' ? Number(text) : (row.observed_at - Date.parse(text)) / 1_000
}

/** The part to which each row's case is dealt, by its place among all cases. */
function foldsOf(rows: readonly RiskRow[]): Uint8Array {
  const places = new Map<string, number>()
  return Uint8Array.from(rows, ({ case_id }) => places.getOrInsertComputed(case_id, () => places.size) % FOLDS)
}

interface Votes {
  cases: number
  breached: number
}

/** One vote a case and value, however many rows the case has. */
function learnText(rows: readonly RiskRow[], name: string, folds: Uint8Array): { column: TextColumn; values: Float64Array[] } {
  const perFold = Array.from({ length: FOLDS }, () => new Map<string, Votes>())
  const all = new Map<string, Votes>()
  const seen = new Set<string>()
  const total: Votes = { cases: 0, breached: 0 }
  for (const [index, row] of rows.entries()) {
    const value = row.features[name] ?? ''
    const key = `${row.case_id}\u0000${value}`
    if (seen.has(key)) continue
    seen.add(key)
    for (const votes of [total, all.getOrInsertComputed(value, newVotes), perFold[folds[index]!]!.getOrInsertComputed(value, newVotes)]) {
      votes.cases += 1
      if (row.breached) votes.breached += 1
    }
  }
  const prior = total.breached / Math.max(1, total.cases)
  const encode = (votes: Votes): [number, number] => [(votes.breached + prior * PRIOR_CASES) / (votes.cases + PRIOR_CASES), Math.log1p(votes.cases)]
  const encoded = rows.map((row, index) => {
    const value = row.features[name] ?? ''
    const [sum, own] = [all.get(value)!, perFold[folds[index]!]!.get(value) ?? newVotes()]
    return encode({ cases: sum.cases - own.cases, breached: sum.breached - own.breached })
  })
  const column: TextColumn = { kind: 'text', name, prior, shares: Object.fromEntries([...all].map(([value, votes]) => [value, encode(votes)])) }
  return { column, values: [0, 1].map((part) => Float64Array.from(encoded, (pair) => pair[part]!)) }
}

const newVotes = (): Votes => ({ cases: 0, breached: 0 })

function sharesOf({ shares, prior }: TextColumn, value: string): [number, number] {
  return Object.hasOwn(shares, value) ? shares[value]! : [prior, 0]
}

function tellsAll(rows: readonly RiskRow[], values: Float64Array): boolean {
  const known = [...rows.keys()].filter((row) => !Number.isNaN(values[row]!))
  const of = (breached: boolean): number[] => known.filter((row) => rows[row]!.breached === breached).map((row) => values[row]!)
  const [above, below] = [of(true), of(false)]
  if (above.length < 20 || below.length < 20) return false
  const found = auroc(above, below)
  return Math.max(found, 1 - found) >= TOO_GOOD
}
