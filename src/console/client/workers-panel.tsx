import { ApiError, workers } from './api.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress } from './route.ts'
import type { Actor, Worker } from './shapes.ts'
import { spoken, toneOf } from './states.ts'

const WORKERS_MS = 2_000
const ALIVE = new Set(['active', 'draining'])
const GONE_SHOWN_MAX = 10

/** The workers, each with the actors that live in it now. */
export function WorkersPanel() {
  const { data, error } = usePolling('workers', WORKERS_MS, workers)
  if (error instanceof ApiError && error.status === 403) return null
  const alive = data?.filter((worker) => ALIVE.has(worker.status)) ?? []
  const gone = data?.filter((worker) => !ALIVE.has(worker.status)) ?? []
  return (
    <section class="card" aria-labelledby="workers-title">
      <div class="card-head">
        <h2 id="workers-title">Workers</h2>
        {data && <span class="faint number">{alive.length} alive</span>}
      </div>
      {alive.map((worker) => (
        <WorkerCard key={worker.id} worker={worker} />
      ))}
      {data && alive.length === 0 && <Blank title="No worker is alive">Jobs wait in the table until one starts: atum-desk work.</Blank>}
      {gone.length > 0 && (
        <details class="gone">
          <summary>{gone.length} gone</summary>
          <ul>
            {gone.slice(0, GONE_SHOWN_MAX).map((worker) => (
              <li key={worker.id}>
                <Chip state={worker.status} /> <span class="mono">{worker.name}</span> <Age at={worker.heartbeat_at} suffix=" ago" />
              </li>
            ))}
          </ul>
        </details>
      )}
      {!data && !error && <Loading what="the workers" />}
      {!data && error && <Fault error={error} doing="read the workers" />}
    </section>
  )
}

function WorkerCard({ worker }: { worker: Worker }) {
  const tree = worker.actor_tree && 'id' in worker.actor_tree ? (worker.actor_tree as Actor) : null
  return (
    <article class="worker" aria-label={`Worker ${worker.name}`}>
      <div class="worker-head">
        <span class="worker-name mono">{worker.name}</span>
        <Chip state={worker.status} />
      </div>
      <p class="worker-facts">
        <span>
          up <Age at={worker.started_at} />
        </span>
        <span title="The last heartbeat">
          beat <Age at={worker.heartbeat_at} suffix=" ago" />
        </span>
        {worker.event_loop_lag_ms !== null && <span title="99th percentile of the event loop's delay">lag {worker.event_loop_lag_ms.toFixed(1)} ms</span>}
        <span title={`process ${worker.pid} on ${worker.host}`}>v{worker.version}</span>
      </p>
      {tree && (
        <ul class="tree">
          <ActorNode actor={tree} />
        </ul>
      )}
      {!tree && worker.actor_tree !== null && <p class="faint">It has reported no actors yet.</p>}
    </article>
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
        {actor.restarts ? <span class="actor-restarts">{actor.restarts === 1 ? '1 restart' : `${actor.restarts} restarts`}</span> : null}
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
