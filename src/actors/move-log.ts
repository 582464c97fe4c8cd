import type { InspectionEvent } from 'xstate'
import type { ActorMove } from '#db/actor-moves.ts'
import type { Chart } from '#machines/chart.ts'
import { classOf } from '#machines/dwell.ts'

/** XState's own names of crashes carry the name of the child, which a chart leaves open. */
const CRASH = /^xstate\.error\.actor\..*$/
const ANY_CRASH = 'xstate.error.actor.*'

/**
 * How the actors of this process moved since it was last told: an entry an edge, with how often it was taken and how long
 * the actor had stood before. A supervisor moves many times a second, so moves are counted here and written together.
 */
export class MoveLog {
  #moves = new Map<string, ActorMove>()

  /** Notes every move of one actor: an observer for the `inspect` of `createActor`. Events that the machine ignores are none. */
  of(chart: Chart, actor: string): (inspected: InspectionEvent) => void {
    const edges = new Set(chart.edges.map(({ event, from, to }) => keyOf(event, from, to)))
    let here: string | null = null
    let since = performance.now()
    return (inspected) => {
      if (inspected.type !== '@xstate.snapshot') return
      const { event } = inspected
      const to = String((inspected.snapshot as { value?: unknown }).value)
      const name = event.type.replace(CRASH, ANY_CRASH)
      if (here !== null && edges.has(keyOf(name, here, to))) {
        this.#add({ machine: chart.name, actor, event: name, from: here, to, stays: { [classOf(performance.now() - since)]: 1 } })
        since = performance.now()
      }
      here = to
    }
  }

  /** What was noted; from now on nothing is. */
  take(): ActorMove[] {
    const taken = [...this.#moves.values()]
    this.#moves = new Map()
    return taken
  }

  /** What could not be told is told with what comes next. */
  giveBack(moves: readonly ActorMove[]): void {
    for (const move of moves) this.#add(move)
  }

  #add(move: ActorMove): void {
    const key = `${move.machine} ${move.actor} ${keyOf(move.event, move.from, move.to)}`
    const known = this.#moves.get(key)
    if (!known) return void this.#moves.set(key, move)
    for (const [time, count] of Object.entries(move.stays)) known.stays[time] = (known.stays[time] ?? 0) + count
  }
}

const keyOf = (event: string, from: string | null, to: string): string => `${event} ${from} ${to}`
