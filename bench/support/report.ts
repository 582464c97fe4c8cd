import { mkdir, writeFile } from 'node:fs/promises'
import type { Machine } from './machine.ts'
import { describeMachine } from './machine.ts'
import type { Findings, Suite, Table } from './suite.ts'

const RESULTS = new URL('../results/', import.meta.url)

/** A suite's findings with everything that one needs to judge them. */
export interface Report extends Findings {
  suite: string
  measures: string
  omits: string
  machine: Machine
  started_at: string
  seconds: number
}

/** For people: the machine, the tables, and what was not measured. */
export function print(report: Report): void {
  const lines = [
    '',
    `${report.suite}: ${report.measures}`,
    describeMachine(report.machine),
    `Sizes: ${Object.entries(report.sizes)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ')}. It took ${Math.round(report.seconds)} s.`,
    ...report.tables.flatMap((table) => ['', table.title, ...layOut(table)]),
    '',
    `Not measured: ${report.omits}`,
  ]
  console.log(lines.join('\n'))
}

/** Numbers to the right, words to the left. */
function layOut({ columns, rows }: Table): string[] {
  const cells = [columns, ...rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const isWords = columns.map((_, column) => rows.some((row) => typeof row[column] === 'string'))
  return cells.map((row) =>
    `  ${row.map((cell, column) => (isWords[column] ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')}`.trimEnd(),
  )
}

/** For programs: bench/results/SUITE.json. */
export async function write(report: Report): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL(`${report.suite}.json`, RESULTS), `${JSON.stringify(report, null, 2)}\n`)
}

/** Runs a suite and notes when, for how long and on what. */
export async function reportOn(suite: Suite, machine: Machine, run: () => Promise<Findings>): Promise<Report> {
  const started = performance.now()
  const started_at = new Date().toISOString()
  const findings = await run()
  return { suite: suite.name, measures: suite.measures, omits: suite.omits, machine, started_at, seconds: (performance.now() - started) / 1_000, ...findings }
}
