import type { AnyStateMachine } from 'xstate'

/** One arrow of a flat machine. `from` is null for the event that creates the thing. */
export interface Edge {
  event: string
  from: string | null
  to: string
  guard: string | null
  actions: string[]
}

/** A flat machine as data: what is drawn in the console, served at /machines and written to the database. */
export interface Chart {
  name: string
  initial: string
  states: string[]
  events: string[]
  edges: Edge[]
}

interface TransitionConfig {
  target?: string
  guard?: string
  actions?: string | string[]
}

/**
 * Reads the chart out of a flat machine's config.
 *
 * @param creation the event that creates the thing in its initial state, where it has one
 * @throws TypeError where the machine is not flat, or guards and actions are not names
 */
export function chartOf(machine: AnyStateMachine, creation?: string): Chart {
  const config = machine.config as { initial?: string; states?: Record<string, { on?: Record<string, unknown>; states?: unknown }> }
  const initial = String(config.initial)
  const edges: Edge[] = creation ? [{ event: creation, from: null, to: initial, guard: null, actions: [] }] : []
  for (const [from, state] of Object.entries(config.states ?? {})) {
    if (state.states) throw new TypeError(`${machine.id}.${from} has child states: only flat machines have a chart`)
    for (const [event, transitions] of Object.entries(state.on ?? {})) {
      for (const transition of [transitions].flat() as (TransitionConfig | string)[]) edges.push(edgeOf(from, event, transition))
    }
  }
  return {
    name: machine.id,
    initial,
    states: Object.keys(config.states ?? {}),
    events: [...new Set(edges.map((edge) => edge.event))],
    edges,
  }
}

function edgeOf(from: string, event: string, transition: TransitionConfig | string): Edge {
  const { target, guard, actions } = typeof transition === 'string' ? { target: transition } : transition
  const names = [actions ?? []].flat()
  if ((guard !== undefined && typeof guard !== 'string') || names.some((name) => typeof name !== 'string')) {
    throw new TypeError(`${from} ${event}: guards and actions must be names, so that the chart can be printed`)
  }
  return { event, from, to: target ?? from, guard: guard ?? null, actions: names }
}
