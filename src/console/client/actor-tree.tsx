import { jobAddress } from './route.ts'
import type { Actor, Worker } from './shapes.ts'
import { spoken, toneOf } from './states.ts'
import { duration } from './times.ts'

/** The states in which a worker's row is somebody who lives. */
export const ALIVE: ReadonlySet<string> = new Set(['active', 'draining'])

/** The actors of a worker as of its last heartbeat, each below its supervisor. */
export function ActorTree({ tree }: { tree: Worker['actor_tree'] }) {
  if (tree === null) return <p class="faint">Its actors serve all organisations: they are for the operator to see.</p>
  if (!('id' in tree)) return <p class="faint">It has reported no actors yet.</p>
  return (
    <ul class="tree">
      <ActorNode actor={tree as Actor} />
    </ul>
  )
}

function ActorNode({ actor }: { actor: Actor }) {
  const job = /^job:(\d+)$/.exec(actor.id)?.[1]
  const state = typeof actor.state === 'string' ? actor.state : null
  return (
    <li>
      <span class={`actor tone-${toneOf(state ?? '')}`}>
        <span class="dot" />
        {job ? (
          <a class="mono" href={jobAddress(job)}>
            {actor.id}
          </a>
        ) : (
          <span class="mono">{actor.id}</span>
        )}
        {state && <span class="actor-state">{spoken(state)}</span>}
        {actor.jobs !== undefined && <span class="actor-state">{`${actor.jobs}${actor.window === undefined ? '' : ` of ${actor.window}`} jobs`}</span>}
        {actor.restarts ? <span class="actor-restarts">{actor.restarts === 1 ? '1 restart' : `${actor.restarts} restarts`}</span> : null}
        {actor.crashes ? <span class="actor-restarts">{actor.crashes === 1 ? '1 crash' : `${actor.crashes} crashes`}</span> : null}
        {actor.restart_budget && (
          <span class="actor-budget" title="With more crashes than this the worker itself fails, and is started again from outside">
            may crash {actor.restart_budget.crashes} times in {duration(actor.restart_budget.withinMs)}
          </span>
        )}
      </span>
      {actor.children && actor.children.length > 0 && (
        <ul>
          {actor.children.map((child) => (
            <ActorNode key={child.id} actor={child} />
          ))}
        </ul>
      )}
    </li>
  )
}
