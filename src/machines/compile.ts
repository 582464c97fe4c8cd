import type { Chart, Edge } from './chart.ts'

/** Where a thing stands: the state's name and its context. */
export interface Standing<Context> {
  state: string
  context: Context
}

/**
 * Compiles a flat machine's chart to a table, and returns its step function: the standing after `event`, or null where
 * the machine has no such transition. It is what the hot path runs, at under a microsecond against 5 to 12 for the
 * interpreter; a test holds the two equal for every state, event and guard outcome.
 */
export function compile<Context, Event extends { type: string }>(
  chart: Chart,
  guards: Record<string, (context: Context, event: Event) => boolean>,
  actions: Record<string, (context: Context, event: Event) => Partial<Context>>,
): (standing: Standing<Context>, event: Event) => Standing<Context> | null {
  const table = new Map<string, Map<string, Edge[]>>()
  for (const edge of chart.edges) {
    if (edge.from === null) continue
    const row = table.get(edge.from) ?? new Map<string, Edge[]>()
    table.set(edge.from, row.set(edge.event, [...(row.get(edge.event) ?? []), edge]))
  }
  return (standing, event) => {
    const edge = table
      .get(standing.state)
      ?.get(event.type)
      ?.find(({ guard }) => guard === null || guards[guard]!(standing.context, event))
    if (!edge) return null
    let context = standing.context
    for (const name of edge.actions) context = { ...context, ...actions[name]!(context, event) }
    return { state: edge.to, context }
  }
}
