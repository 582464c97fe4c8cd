import type { AnyStateMachine } from 'xstate'
import type { Chart, Edge } from './chart.ts'

/** What a machine promises beyond its drawing, so that the drawing can be held to it. */
export interface Promises {
  /** The states in which its thing may stay for good. A way out of them is allowed, not needed. */
  ends: readonly string[]
  /** Crash, lease loss, time-out, cancel: in each of these states each of these events has a transition. */
  answers: readonly { states: readonly string[]; events: readonly string[] }[]
}

/** The names that a machine uses and those that it implements. */
export interface Implementations {
  guards: ReadonlySet<string>
  actions: ReadonlySet<string>
  /** Actions that are run on entering and leaving states, which a chart does not show. */
  onStates: readonly { state: string; action: string }[]
}

/** A fault of a machine, with the shortest way to it. */
export interface Fault {
  machine: string
  rule: string
  /** The events from the beginning on; empty where there is no way. */
  path: readonly string[]
  reaches: string
  what: string
}

/** A fault in one line: `job: ENQUEUE, CLAIM reaches claimed: no LOSE`. */
export function faultInWords({ machine, path, reaches, what }: Fault): string {
  return `${machine}: ${path.length > 0 ? `${path.join(', ')} reaches ${reaches}` : reaches}: ${what}`
}

/** The names that a machine implements. */
export function implementationsOf(machine: AnyStateMachine): Implementations {
  const { guards, actions } = machine.implementations
  const states = Object.entries((machine.config.states ?? {}) as Record<string, { entry?: unknown; exit?: unknown }>)
  return {
    guards: new Set(Object.keys(guards)),
    actions: new Set(Object.keys(actions)),
    onStates: states.flatMap(([state, { entry, exit }]) =>
      [entry ?? [], exit ?? []].flat().map((action) => ({ state, action: typeof action === 'string' ? action : JSON.stringify(action) })),
    ),
  }
}

/**
 * Holds a chart to its promises, over all orders of events and both answers of every guard.
 *
 * @returns what is wrong, the shortest counter-examples first; nothing where all is well
 */
export function checkChart(chart: Chart, promises: Promises, implementations: Implementations): Fault[] {
  const exploration = explore(chart)
  const faults = [
    ...unknownStates(chart, promises),
    ...unreachable(chart, exploration),
    ...traps(chart, promises, exploration),
    ...shadowed(chart, exploration),
    ...unanswered(chart, promises, exploration),
    ...unimplemented(chart, implementations, exploration),
  ]
  return faults.toSorted((one, other) => one.path.length - other.path.length)
}

/** The shortest path of events to every state that can be reached. */
type Exploration = ReadonlyMap<string, readonly string[]>

function explore(chart: Chart): Exploration {
  const creation = chart.edges.find((edge) => edge.from === null)
  const paths = new Map<string, string[]>([[chart.initial, creation ? [creation.event] : []]])
  for (const [state, path] of paths) {
    for (const edge of waysOut(chart, state)) if (!paths.has(edge.to)) paths.set(edge.to, [...path, edge.event])
  }
  return paths
}

/** The edges that can be taken from a state: none behind an unguarded one of the same event. */
function waysOut(chart: Chart, state: string): Edge[] {
  const closed = new Set<string>()
  return chart.edges.filter((edge) => {
    if (edge.from !== state || closed.has(edge.event)) return false
    if (edge.guard === null) closed.add(edge.event)
    return true
  })
}

function faultAt(chart: Chart, exploration: Exploration, rule: string, state: string, what: string): Fault {
  return { machine: chart.name, rule, path: exploration.get(state) ?? [], reaches: state, what }
}

function unknownStates(chart: Chart, { ends, answers }: Promises): Fault[] {
  const known = new Set(chart.states)
  const named = [
    { state: chart.initial, as: 'the initial state' },
    ...chart.edges.map((edge) => ({ state: edge.to, as: `the target of ${edge.event} in ${edge.from ?? 'nothing'}` })),
    ...ends.map((state) => ({ state, as: 'a declared end' })),
    ...answers.flatMap(({ states }) => states.map((state) => ({ state, as: 'declared to answer events' }))),
  ]
  return named
    .filter(({ state }) => !known.has(state))
    .map(({ state, as }) => faultAt(chart, new Map(), 'states exist', state, `it is ${as}, and no state of the machine`))
}

function unreachable(chart: Chart, exploration: Exploration): Fault[] {
  return chart.states
    .filter((state) => !exploration.has(state))
    .map((state) => faultAt(chart, exploration, 'every state is reachable', state, 'no order of events leads there'))
}

function traps(chart: Chart, { ends }: Promises, exploration: Exploration): Fault[] {
  const saved = new Set(ends)
  for (let before = -1; before !== saved.size;) {
    before = saved.size
    for (const state of chart.states) if (waysOut(chart, state).some((edge) => saved.has(edge.to))) saved.add(state)
  }
  return chart.states
    .filter((state) => !saved.has(state))
    .map((state) => {
      const stuck = waysOut(chart, state).every((edge) => edge.to === state)
      return faultAt(
        chart,
        exploration,
        'no trap',
        state,
        stuck ? 'it has no way out and is no declared end' : 'no order of events leads from there to a declared end',
      )
    })
}

function shadowed(chart: Chart, exploration: Exploration): Fault[] {
  return chart.states.flatMap((state) => {
    const open = new Set(waysOut(chart, state))
    return chart.edges
      .filter((edge) => edge.from === state && !open.has(edge))
      .map((edge) =>
        faultAt(chart, exploration, 'nothing is shadowed', state, `${edge.event} to ${edge.to} stands behind an unguarded ${edge.event} and is never taken`),
      )
  })
}

function unanswered(chart: Chart, { answers }: Promises, exploration: Exploration): Fault[] {
  return answers.flatMap(({ states, events }) =>
    states.flatMap((state) => {
      const known = new Set(waysOut(chart, state).map((edge) => edge.event))
      return events.filter((event) => !known.has(event)).map((event) => faultAt(chart, exploration, 'events are answered', state, `no ${event}`))
    }),
  )
}

function unimplemented(chart: Chart, { guards, actions, onStates }: Implementations, exploration: Exploration): Fault[] {
  const used = [
    ...chart.edges.flatMap(({ event, from, guard, actions }) => [
      ...(guard === null ? [] : [{ state: from ?? chart.initial, kind: 'guard', name: guard, by: event }]),
      ...actions.map((name) => ({ state: from ?? chart.initial, kind: 'action', name, by: event })),
    ]),
    ...onStates.map(({ state, action }) => ({ state, kind: 'action', name: action, by: 'entry or exit' })),
  ]
  return used
    .filter(({ kind, name }) => !(kind === 'guard' ? guards : actions).has(name))
    .map(({ state, kind, name, by }) => faultAt(chart, exploration, 'names are implemented', state, `the ${kind} ${name} (${by}) is implemented nowhere`))
}
