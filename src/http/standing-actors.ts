import type { WorkerRow } from '#db/workers-list.ts'

/** What is asked of a worker's row. */
export type LivingWorker = Pick<WorkerRow, 'id' | 'name' | 'status' | 'heartbeat_at' | 'actor_tree'>

/** An actor that has a machine of its own, as its worker's last heartbeat told of it. */
export interface StandingActor {
  machine: 'worker' | 'queue_supervisor'
  state: string
  worker: LivingWorker
  /** The queue of a supervisor. */
  queue: string | null
}

interface Actor {
  id?: unknown
  state?: unknown
  children?: Actor[]
}

const QUEUE = 'queue:'

/** The workers that live, and their queue supervisors. */
export function standingActors(workers: readonly LivingWorker[]): StandingActor[] {
  return workers
    .filter(({ status }) => status === 'active' || status === 'draining')
    .flatMap((worker) => {
      const tree = (worker.actor_tree ?? {}) as Actor
      const supervisors = (tree.children ?? []).filter(({ id }) => String(id).startsWith(QUEUE))
      return [
        { machine: 'worker' as const, state: tree.state, worker, queue: null },
        ...supervisors.map(({ id, state }) => ({ machine: 'queue_supervisor' as const, state, worker, queue: String(id).slice(QUEUE.length) })),
      ].flatMap((actor) => (typeof actor.state === 'string' ? [{ ...actor, state: actor.state }] : []))
    })
}
