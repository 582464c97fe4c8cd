import { useLayoutEffect } from 'preact/hooks'
import { ApiError, send, workers } from './api.ts'
import { ActorTree, ALIVE } from './actor-tree.tsx'
import { mayDrainWorkers } from './authority.ts'
import { takeFocus, useQuestion } from './focus.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobsAddress } from './route.ts'
import type { Worker } from './shapes.ts'
import { useAction } from './use-action.ts'

const WORKERS_MS = 2_000
/** A loop that is held up longer than this makes heartbeats and claims late. */
const LAG_BAD_MS = 200

/** Who works: each process with its actors as they live now, and those that ended within the hour. */
export function WorkersPage({ role }: { role: string | undefined }) {
  const { data, error, refresh } = usePolling('workers', WORKERS_MS, workers)
  // Elsewhere a link names one of them; it stands here once the answer is there.
  useLayoutEffect(() => takeFocus(document.getElementById(location.hash.slice(1))), [data === undefined])
  const alive = data?.filter((worker) => ALIVE.has(worker.status)) ?? []
  const gone = data?.filter((worker) => !ALIVE.has(worker.status)) ?? []
  return (
    <div class="page">
      <section aria-labelledby="workers-title">
        <div class="card-head">
          <h1 id="workers-title">Workers</h1>
          {data && (
            <span class="faint number">
              {alive.length} alive, hosts: {new Set(alive.map(({ host }) => host)).size}, jobs held:{' '}
              {alive.reduce((sum, { running_jobs }) => sum + running_jobs, 0)}
            </span>
          )}
          {error && data && <span class="stale">not renewed: {error.message}</span>}
        </div>
        <div class="worker-cards">
          {alive.map((worker) => (
            <WorkerCard key={worker.id} worker={worker} mayDrain={mayDrainWorkers(role)} changed={refresh} />
          ))}
        </div>
        {data && alive.length === 0 && <Blank title="No worker is alive">Jobs wait in the table until one starts: atum-desk work.</Blank>}
        {!data && !error && <Loading rows={8} what="the workers" />}
        {!data && error && <Fault error={error} doing={error instanceof ApiError && error.status === 403 ? 'see the workers' : 'read the workers'} />}
      </section>
      {gone.length > 0 && <Gone workers={gone} />}
    </div>
  )
}

interface CardProps {
  worker: Worker
  mayDrain: boolean
  changed: () => void
}

function WorkerCard({ worker, mayDrain, changed }: CardProps) {
  return (
    <article class="card worker" id={`worker-${worker.id}`} tabIndex={-1} aria-label={`Worker ${worker.name}`}>
      <div class="worker-head">
        <h2 class="worker-name mono">{worker.name}</h2>
        <Chip state={worker.status} />
        {worker.drain_requested_at && worker.status === 'active' && <span class="chip tone-retried">asked to drain</span>}
        {mayDrain && worker.status === 'active' && !worker.drain_requested_at && <DrainButton worker={worker} drained={changed} />}
      </div>
      {worker.status === 'draining' && <p class="note">It claims no more, finishes what it holds within its drain time, gives the rest back, and ends.</p>}
      <dl class="figures">
        <div class="figure">
          <dt>Id</dt>
          <dd class="number">{worker.id}</dd>
        </div>
        <div class="figure">
          <dt>Host, process</dt>
          <dd>
            {worker.host}, {worker.pid}
          </dd>
        </div>
        <div class="figure">
          <dt>Version</dt>
          <dd>{worker.version}</dd>
        </div>
        <div class="figure">
          <dt>Up</dt>
          <dd>
            <Age at={worker.started_at} />
          </dd>
        </div>
        <div class="figure">
          <dt>Heartbeat</dt>
          <dd>
            <Age at={worker.heartbeat_at} suffix=" ago" />
          </dd>
        </div>
        <div class="figure">
          <dt title="99th percentile of the event loop's delay">Loop lag p99</dt>
          <dd class={worker.event_loop_lag_ms !== null && worker.event_loop_lag_ms > LAG_BAD_MS ? 'bad' : ''}>
            {worker.event_loop_lag_ms === null ? 'unknown' : `${worker.event_loop_lag_ms.toFixed(1)} ms`}
          </dd>
        </div>
        <div class="figure">
          <dt>Holds</dt>
          <dd>
            <a class="link" href={jobsAddress({ locked_by: String(worker.id) })}>
              {worker.running_jobs} jobs
            </a>
          </dd>
        </div>
      </dl>
      <ActorTree tree={worker.actor_tree} />
    </article>
  )
}

/** Asks first: a drained worker is not started again by itself everywhere. */
function DrainButton({ worker, drained }: { worker: Worker; drained: () => void }) {
  const { busy, error, run } = useAction()
  const { asked, ask, leave, asker } = useQuestion()
  const drain = () =>
    run(async () => {
      await send('POST', `/workers/${worker.id}/drain`)
      drained()
    })
  if (!asked) {
    return (
      <button class="button button-small" aria-label={`Drain worker ${worker.name}`} onClick={ask} ref={asker}>
        Drain
      </button>
    )
  }
  return (
    <span class="drain note">
      <span>It claims no more, finishes or gives back {worker.running_jobs === 1 ? 'its job' : `its ${worker.running_jobs} jobs`}, and ends.</span>
      <button class="button button-small button-bad" disabled={busy} onClick={drain} ref={takeFocus}>
        Yes, drain it
      </button>
      <button class="button button-small" disabled={busy} onClick={leave}>
        Leave it
      </button>
      {error && (
        <span class="bad" role="alert">
          {error.message}
        </span>
      )}
    </span>
  )
}

function Gone({ workers }: { workers: Worker[] }) {
  return (
    <section class="card" aria-labelledby="gone-title">
      <div class="card-head">
        <h2 id="gone-title">Ended within the hour</h2>
      </div>
      <ul class="lines">
        {workers.map((worker) => (
          <li key={worker.id} class="line" id={`worker-${worker.id}`} tabIndex={-1}>
            <span class="number">{worker.id}</span>
            <span class="mono">{worker.name}</span>
            <Chip state={worker.status} />
            <span class="faint">{worker.status === 'lost' ? 'its jobs were given to others' : 'it signed off'}</span>
            <span class="faint">
              last heard of <Age at={worker.heartbeat_at} suffix=" ago" />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
