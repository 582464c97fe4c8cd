import type { ComponentChildren } from 'preact'
import { read, readItems } from './api.ts'
import { edgeId } from './layout.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress, jobsAddress, withQuery } from './route.ts'
import { moveAmongRows } from './row-keys.ts'
import type { Flow, Job, Machine, Mover, Page } from './shapes.ts'
import { spoken } from './states.ts'
import { duration, rate } from './times.ts'
import { windowOf } from './window-picker.tsx'

const SELECTION_MS = 2_000
const SHOWN = 20

/** What stands in the state, or took the arrow, that was clicked. */
export function SelectionPanel({ machine, query }: { machine: Machine; query: URLSearchParams }) {
  const [state, edge] = [query.get('state'), query.get('edge')]
  if (state && machine.states.includes(state)) return <StateSelection machine={machine} state={state} query={query} />
  if (edge && machine.edges.some(({ from, to }) => edgeId(from, to) === edge)) return <EdgeSelection machine={machine} edge={edge} query={query} />
  return null
}

function StateSelection({ machine, state, query }: { machine: Machine; state: string; query: URLSearchParams }) {
  const isJobs = machine.name === 'job'
  const { data, error } = usePolling(`in ${machine.name} ${state}`, SELECTION_MS, async (signal) =>
    isJobs ? (await read<Page<Job>>(`/jobs?status=${state}&limit=${SHOWN}`, signal)).items : [],
  )
  return (
    <Selection title={`In ${spoken(state)}: ${(machine.counts?.[state] ?? 0).toLocaleString('en')}`} query={query}>
      {!isJobs && <Blank title={`The console lists jobs; a ${spoken(machine.name)} is looked at elsewhere.`} />}
      {isJobs && data && data.length > 0 && (
        <JobLines
          lines={data.map((job) => ({ id: job.id, type: job.job_type, status: job.status, at: job.updated_at, attempt: job.attempt, fault: job.last_error }))}
        />
      )}
      {isJobs && data?.length === 0 && <Blank title="No job stands here now" />}
      {isJobs && <Waiting data={data} error={error} />}
      {isJobs && (
        <p>
          <a class="link" href={jobsAddress({ status: state })}>
            All jobs in {spoken(state)}
          </a>
        </p>
      )}
    </Selection>
  )
}

function EdgeSelection({ machine, edge, query }: { machine: Machine; edge: string; query: URLSearchParams }) {
  const seconds = windowOf(query)
  const isJobs = machine.name === 'job'
  const events = [...new Map(machine.edges.filter(({ from, to }) => edgeId(from, to) === edge).map((each) => [each.event, each])).values()]
  const chosen = events.find(({ event }) => event === query.get('event')) ?? events[0]!
  const { data: flow } = usePolling(`flow of ${machine.name} ${seconds}`, SELECTION_MS * 2, (signal) =>
    read<Flow>(`/machines/${machine.name}/flow?window=${seconds}`, signal).catch(() => null),
  )
  const asked = new URLSearchParams({ event: chosen.event, to: chosen.to, window: String(seconds), ...(chosen.from ? { from: chosen.from } : {}) })
  const { data, error } = usePolling(`movers ${machine.name} ${asked}`, SELECTION_MS * 2, async (signal) =>
    isJobs ? readItems<Mover>(`/machines/job/movers?${asked}`, signal) : [],
  )
  return (
    <Selection title={`${chosen.from ? `From ${spoken(chosen.from)} ` : 'Born '}to ${spoken(chosen.to)}`} query={query}>
      <nav class="filter-chips" aria-label="Events of this arrow">
        {events.map(({ event, from, to }) => {
          const each = flow?.edges.find((candidate) => candidate.event === event && candidate.from === from && candidate.to === to)
          return (
            <a key={event} class="filter-chip" href={withQuery(query, { event })} aria-current={event === chosen.event ? 'true' : undefined}>
              <span class="mono">{event}</span>
              {each && (
                <span class="filter-count">
                  {each.count.toLocaleString('en')} · {rate(each.per_second)}
                  {each.p50_ms !== null && ` · p50 ${duration(each.p50_ms)} · p95 ${duration(each.p95_ms!)}`}
                </span>
              )}
            </a>
          )
        })}
      </nav>
      {!isJobs && <Blank title={`The console lists jobs; a ${spoken(machine.name)} is looked at elsewhere.`} />}
      {isJobs && data && data.length > 0 && (
        <JobLines
          lines={data
            .slice(0, SHOWN)
            .map((job) => ({ id: job.job_id, type: job.job_type, status: job.status, at: job.at, attempt: job.attempt, fault: job.last_error }))}
        />
      )}
      {isJobs && data?.length === 0 && <Blank title={`No job took ${chosen.event} here in the last ${duration(seconds * 1_000)}`} />}
      {isJobs && <Waiting data={data} error={error} />}
    </Selection>
  )
}

function Waiting({ data, error }: { data: unknown; error: Error | undefined }) {
  if (data) return null
  return error ? <Fault error={error} doing="read these jobs" /> : <Loading what="these jobs" />
}

function Selection({ title, query, children }: { title: string; query: URLSearchParams; children: ComponentChildren }) {
  return (
    <section class="card" aria-labelledby="selection-title">
      <div class="card-head">
        <h2 id="selection-title">{title}</h2>
        <span class="card-space" />
        <a class="button button-small" href={withQuery(query, { state: null, edge: null, event: null })}>
          Close
        </a>
      </div>
      {children}
    </section>
  )
}

interface Line {
  id: number
  type: string
  status: string
  at: string
  attempt: number
  fault: string | null
}

/** Jobs in short, each a link. */
export function JobLines({ lines }: { lines: Line[] }) {
  return (
    <ul class="lines" onKeyDown={moveAmongRows}>
      {lines.map(({ id, type, status, at, attempt, fault }) => (
        <li key={`${id} ${at}`} class="line row">
          <a class="row-link number" href={jobAddress(id)}>
            #{id}
          </a>
          <span class="cell-type">{type}</span>
          <Chip state={status} />
          <span class="faint number">attempt {attempt}</span>
          <span class="line-fault mono">{fault}</span>
          <span class="faint number">
            <Age at={at} suffix=" ago" />
          </span>
        </li>
      ))}
    </ul>
  )
}
