import type { Interceptor } from 'slonik'
import { tracing } from '#tracing.ts'
import type { Happened } from '#open-telemetry.ts'

const STATEMENT_CHARS = 1_000

/** A span for each statement of what is traced already: its text with places for values, never the values. None without tracing. */
export function traceStatements(): Interceptor[] {
  const traces = tracing()
  if (!traces) return []
  const under = new WeakMap<object, Happened>()
  const end = (query: object, fault?: string): null => {
    under.get(query)?.end({}, fault)
    return null
  }
  return [
    {
      name: 'trace-statements',
      beforeQueryExecution: (query, { sql: text }) => {
        if (!traces.isWithin()) return null
        const statement = text.trim().replaceAll(/\s+/g, ' ')
        const attributes = { 'db.system.name': 'postgresql', 'db.query.text': statement.slice(0, STATEMENT_CHARS) }
        under.set(query, traces.open(statement.split(' ', 1)[0]!.toLowerCase(), { kind: 'client', attributes }))
        return null
      },
      afterQueryExecution: (query) => end(query),
      queryExecutionError: (query, _statement, error) => end(query, error.name),
    },
  ]
}
