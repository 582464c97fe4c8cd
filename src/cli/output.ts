/** Prints a result: JSON for programs, words for people. */
export function print(json: boolean | undefined, value: unknown, words: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : words()}\n`)
}

/** Rows in columns, as wide as their widest cell. */
export function table(rows: readonly Record<string, unknown>[], columns: readonly string[]): string {
  const lines = [columns.map(String), ...rows.map((row) => columns.map((column) => inWords(row[column])))]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)))
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Figures by their names, one a line. */
export function figures(found: object): string {
  return table(
    Object.entries(found).map(([figure, value]) => ({ figure, value })),
    ['figure', 'value'],
  )
}

/** A value as a person reads it. */
export function inWords(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The examples below a command's --help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${/(^| )atum-desk /.test(line) ? line : `atum-desk ${line}`}`).join('\n')}`
}

/** Says what happens, on standard error where standard output is to be read by a program. */
export function sayer(json: boolean | undefined): (line: string) => void {
  return (line) => void (json ? process.stderr : process.stdout).write(`${line}\n`)
}
