import { metrics } from '#metrics.ts'
import { afterCommit } from './pool.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A kind of transition: the labels of its metric. */
interface Edge {
  job_type: string
  event: string
  from: string
  to: string
  /** How often; once where it is not said. */
  times?: number
}

/** Feeds the metric of transitions with those that `db` has just recorded, once its transaction has committed. */
export function countWhenCommitted(db: CommonQueryMethods, edges: readonly Edge[]): void {
  if (edges.length === 0) return
  afterCommit(db, () => {
    const counts = new Map<string, { edge: Edge; times: number }>()
    for (const { times = 1, ...edge } of edges) {
      const key = `${edge.job_type} ${edge.event} ${edge.from}`
      const count = counts.get(key)
      if (count) count.times += times
      else counts.set(key, { edge, times })
    }
    for (const { edge, times } of counts.values()) metrics.transitions.inc({ ...edge }, times)
  })
}
