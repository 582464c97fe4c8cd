import type { BenchServer } from './server.ts'

/** What the command line asked for; null where the suite has a size of its own. */
export interface Options {
  jobs: number | null
  rounds: number | null
  processes: readonly number[]
  contestants: readonly string[]
  batch: number
  /** Jobs a second for every contestant, in place of a share of its own drain rate. */
  rate: number | null
  history: number
  backlog: number
  held_minutes: number
  requests: number
  tickets: number | null
}

export interface Bench {
  server: BenchServer
  options: Options
  /** Tells how far it is; never a result. */
  say(line: string): void
}

export interface Table {
  title: string
  columns: readonly string[]
  rows: readonly (readonly (string | number | null)[])[]
}

/** What a suite found: tables for the reader, and each single measurement for whoever wants to reckon again. */
export interface Findings {
  sizes: Record<string, unknown>
  tables: readonly Table[]
  measurements: unknown
}

/** One claim and how it is measured. */
export interface Suite {
  name: string
  measures: string
  omits: string
  run(bench: Bench): Promise<Findings>
}
