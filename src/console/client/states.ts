import type { Chart } from '#machines/chart.ts'

/** What a state means to the eye. A tone has one colour in the chart, in chips and in the timeline. */
export type Tone = 'waiting' | 'held' | 'running' | 'retried' | 'done' | 'failed' | 'ended' | 'neutral'

const TONES: Record<string, Tone> = {
  queued: 'waiting',
  claimed: 'held',
  running: 'running',
  retried: 'retried',
  done: 'done',
  failed: 'failed',
  cancelled: 'ended',

  new: 'waiting',
  accepted: 'held',
  assigned: 'held',
  in_progress: 'running',
  waiting_customer: 'retried',
  resolved: 'done',
  closed: 'ended',

  pending: 'waiting',
  paused: 'retried',
  breached: 'failed',
  met: 'done',
  missed: 'failed',

  offered: 'waiting',
  edited: 'done',
  rejected: 'ended',
  expired: 'ended',
  replaced: 'ended',

  starting: 'waiting',
  working: 'running',
  active: 'done',
  claiming: 'running',
  waiting: 'waiting',
  full: 'held',
  recovering: 'retried',
  draining: 'retried',
  stopped: 'ended',
  lost: 'failed',
}

/** The tone of a state's name, whichever machine it belongs to. */
export const toneOf = (state: string): Tone => TONES[state] ?? 'neutral'

/**
 * The states in which a thing has come to rest: nothing leads on from there, only back to an earlier state. A machine
 * lists its states in the order in which a thing meets them.
 */
export function settledStates({ states, edges }: Pick<Chart, 'states' | 'edges'>): Set<string> {
  const leadsOn = ({ from, to }: { from: string; to: string }) => states.indexOf(to) >= states.indexOf(from)
  return new Set(states.filter((state) => !edges.some((edge) => edge.from === state && leadsOn({ from: state, to: edge.to }))))
}

/** A name from the machine as a person reads it: `waiting_customer` becomes "waiting customer". */
export const spoken = (name: string): string => name.replaceAll('_', ' ').replace(/^sla\b/, 'SLA')

/** An event as it is drawn: a crash of any child has a name of the library's own, which says nothing to who looks on. */
export const eventName = (event: string): string => (event === 'xstate.error.actor.*' ? 'CHILD_CRASHED' : event)
