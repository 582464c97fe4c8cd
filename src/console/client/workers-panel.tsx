import { ActorTree, ALIVE } from './actor-tree.tsx'
import { ApiError, workers } from './api.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import type { Worker } from './shapes.ts'

const WORKERS_MS = 2_000
const GONE_SHOWN_MAX = 10

/** The workers in short, each with the actors that live in it now. */
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
        <WorkerEntry key={worker.id} worker={worker} />
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

function WorkerEntry({ worker }: { worker: Worker }) {
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
      <ActorTree tree={worker.actor_tree} brief />
    </article>
  )
}
