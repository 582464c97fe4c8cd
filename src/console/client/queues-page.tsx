import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { queues, read, send } from './api.ts'
import { mayMoveQueues } from './authority.ts'
import { Blank, Fault, Loading } from './marks.tsx'
import { Plot } from './plot.tsx'
import { usePolling } from './polling.ts'
import { PauseButton } from './queues-panel.tsx'
import { jobsAddress } from './route.ts'
import { SchedulesPanel } from './schedules-panel.tsx'
import type { Queue, QueueHistory, QueuePoint } from './shapes.ts'
import { spoken, toneOf } from './states.ts'
import { duration, rate } from './times.ts'
import { useAction } from './use-action.ts'
import { WindowPicker, windowOf } from './window-picker.tsx'

const QUEUES_MS = 2_000
const HISTORY_MS = 10_000
const SPARK_HEIGHT = 44

/** The queues with what they did lately and what limits them, and what runs by the clock. */
export function QueuesPage({ query, role }: { query: URLSearchParams; role: string | undefined }) {
  const seconds = windowOf(query)
  const { data, error, refresh } = usePolling('queues', QUEUES_MS, queues)
  const { data: history, error: blind } = usePolling(`queue history ${seconds}`, HISTORY_MS, (signal) =>
    read<QueueHistory>(`/queues/history?window=${seconds}`, signal),
  )
  return (
    <div class="page">
      <section class="card" aria-labelledby="queues-title">
        <div class="card-head">
          <h1 id="queues-title">Queues</h1>
          <span class="card-space" />
          <WindowPicker query={query} />
        </div>
        {blind && !history && <p class="note">What the queues did lately cannot be told: {blind.message}</p>}
        {data && data.length > 0 && (
          <ul class="queue-cards">
            {data.map((queue) => (
              <QueueCard key={queue.name} queue={queue} history={history} mayMove={mayMoveQueues(role)} moved={refresh} />
            ))}
          </ul>
        )}
        {data?.length === 0 && <Blank title="No queue yet">A queue appears when the first worker starts.</Blank>}
        {!data && (error ? <Fault error={error} doing="read the queues" /> : <Loading what="the queues" />)}
      </section>
      <SchedulesPanel role={role} />
    </div>
  )
}

interface CardProps {
  queue: Queue
  history: QueueHistory | undefined
  mayMove: boolean
  moved: () => void
}

function QueueCard({ queue, history, mayMove, moved }: CardProps) {
  const series = history && seriesOf(history, queue.name)
  return (
    <li class="queue-card" aria-label={`Queue ${queue.name}`}>
      <div class="queue-head">
        <h2>{queue.name}</h2>
        {queue.paused && <span class="chip tone-retried">paused</span>}
        <span class="card-space" />
        {mayMove && <PauseButton queue={queue} moved={moved} />}
      </div>
      <dl class="figures">
        <Figure name="Depth">{queue.depth.toLocaleString('en')}</Figure>
        <Figure name="Oldest due">{queue.oldest_due_seconds === null ? 'none' : duration(queue.oldest_due_seconds * 1_000)}</Figure>
        {series && (
          <>
            <Figure name="Throughput">{rate(series.perSecond)}</Figure>
            <Figure name="Wait p95">{series.wait === null ? '–' : duration(series.wait)}</Figure>
            <Figure name="Run p95">{series.run === null ? '–' : duration(series.run)}</Figure>
          </>
        )}
      </dl>
      {series && (
        <div class="sparks">
          <figure>
            <figcaption>done, at most {rate(Math.max(0, ...series.done))}</figcaption>
            <Plot
              spark
              height={SPARK_HEIGHT}
              label={`Throughput of ${queue.name} over time: ${rate(series.perSecond)} on average`}
              x={series.x}
              series={[{ label: 'done', values: series.done, tone: 'done', filled: true }]}
            />
          </figure>
          <figure>
            <figcaption>wait p95, at most {series.wait === null ? '–' : duration(series.wait)}</figcaption>
            <Plot
              spark
              height={SPARK_HEIGHT}
              label={`How long jobs of ${queue.name} waited over time, p95`}
              x={series.x}
              series={[{ label: 'wait', values: series.waits, tone: 'retried', bars: true }]}
            />
          </figure>
        </div>
      )}
      <p class="queue-states">
        {Object.entries(queue.counts)
          .filter(([, count]) => count > 0)
          .map(([state, count]) => (
            <a key={state} class={`filter-chip tone-${toneOf(state)}`} href={jobsAddress({ queue: queue.name, status: state })}>
              <span class="dot" />
              {spoken(state)} <span class="filter-count">{count.toLocaleString('en')}</span>
            </a>
          ))}
      </p>
      <Limits queue={queue} mayMove={mayMove} moved={moved} />
    </li>
  )
}

function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  )
}

/** A point for each stretch of the window, also for those in which nothing happened. */
function seriesOf({ window_seconds, step_seconds, queues }: QueueHistory, name: string) {
  const points = queues.find((queue) => queue.name === name)?.points ?? []
  const known = new Map(points.map((point) => [Math.round(Date.parse(point.at) / 1_000 / step_seconds), point]))
  const end = Math.floor(Date.now() / 1_000 / step_seconds)
  const slots = Array.from({ length: Math.ceil(window_seconds / step_seconds) }, (_, n) => end - Math.ceil(window_seconds / step_seconds) + 1 + n)
  const greatest = (value: (point: QueuePoint) => number | null) =>
    points.reduce<number | null>((most, point) => (value(point) === null ? most : Math.max(most ?? 0, value(point)!)), null)
  return {
    x: slots.map((slot) => slot * step_seconds),
    done: slots.map((slot) => (known.get(slot)?.succeeded ?? 0) / step_seconds),
    waits: slots.map((slot) => known.get(slot)?.wait_p95_ms ?? null),
    perSecond: points.reduce((sum, { succeeded }) => sum + succeeded, 0) / window_seconds,
    wait: greatest(({ wait_p95_ms }) => wait_p95_ms),
    run: greatest(({ run_p95_ms }) => run_p95_ms),
  }
}

const LIMITS = [
  ['concurrency', 'At most held at a time'],
  ['rate_limit', 'At most claimed'],
  ['rate_period_seconds', 'in so many seconds'],
  ['max_depth', 'Refuse new jobs beyond'],
] as const

/** What limits a queue; an operator may change it. An empty field is no limit. */
function Limits({ queue, mayMove, moved }: { queue: Queue; mayMove: boolean; moved: () => void }) {
  const { busy, error, run } = useAction()
  const [open, setOpen] = useState(false)
  const words = [
    queue.concurrency !== null && `${queue.held ?? 0} of at most ${queue.concurrency} held`,
    queue.rate_limit !== null && `at most ${queue.rate_limit} in ${queue.rate_period_seconds} s, ${Math.floor(queue.rate_tokens ?? 0)} left`,
    `Refuses new jobs beyond ${queue.max_depth.toLocaleString('en')}`,
  ].filter(Boolean)
  if (!open) {
    return (
      <p class="queue-limits faint">
        <span>{words.join('; ')}</span>
        {mayMove && (
          <button class="button button-small" onClick={() => setOpen(true)} aria-label={`Limits of ${queue.name}`}>
            Limits
          </button>
        )}
      </p>
    )
  }
  return (
    <form
      class="limits"
      onSubmit={(event) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget)
        const body = Object.fromEntries(LIMITS.map(([name]) => [name, given.get(name) === '' ? null : Number(given.get(name))]))
        run(async () => {
          await send('PATCH', `/queues/${encodeURIComponent(queue.name)}`, { body })
          setOpen(false)
          moved()
        })
      }}
    >
      {LIMITS.map(([name, words]) => (
        <label key={name} class="field">
          <span>{words}</span>
          <input name={name} type="number" min={1} required={name === 'max_depth'} defaultValue={queue[name] ?? ''} />
        </label>
      ))}
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
      <button class="button button-main" disabled={busy}>
        Keep
      </button>
      <button class="button" type="button" onClick={() => setOpen(false)}>
        Cancel
      </button>
    </form>
  )
}
