import type { ComponentChildren } from 'preact'
import { read, readItems } from './api.ts'
import { edgeId } from './layout.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress, jobsAddress, ticketAddress, withQuery, workerAddress } from './route.ts'
import { moveAmongRows } from './row-keys.ts'
import type { Flow, Job, Machine, MachineThing, Mover } from './shapes.ts'
import { eventName, spoken } from './states.ts'
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
  const title = `In ${spoken(state)}: ${(machine.counts?.[state] ?? 0).toLocaleString('en')}`
  return (
    <Selection title={machine.counts ? title : `In ${spoken(state)}`} query={query}>
      {machine.name === 'job' ? (
        <JobsIn state={state} />
      ) : machine.counts ? (
        <Things
          ask={`/machines/${machine.name}/standing?state=${state}`}
          machine={machine.name}
          nothing={`Nothing of this machine stands in ${spoken(state)} now`}
          shown={machine.counts[state] ?? 0}
        />
      ) : (
        <Blank title="What stands here is not for this account to see" />
      )}
    </Selection>
  )
}

function JobsIn({ state }: { state: string }) {
  const { data, error } = usePolling(`in job ${state}`, SELECTION_MS, async (signal) => readItems<Job>(`/jobs?status=${state}&limit=${SHOWN}`, signal))
  return (
    <>
      {data && data.length > 0 && (
        <JobLines
          lines={data.map((job) => ({ id: job.id, type: job.job_type, status: job.status, at: job.updated_at, attempt: job.attempt, fault: job.last_error }))}
        />
      )}
      {data?.length === 0 && <Blank title="No job stands here now" />}
      <Waiting data={data} error={error} />
      <p>
        <a class="link" href={jobsAddress({ status: state })}>
          All jobs in {spoken(state)}
        </a>
      </p>
    </>
  )
}

function EdgeSelection({ machine, edge, query }: { machine: Machine; edge: string; query: URLSearchParams }) {
  const seconds = windowOf(query)
  const events = [...new Map(machine.edges.filter(({ from, to }) => edgeId(from, to) === edge).map((each) => [each.event, each])).values()]
  const chosen = events.find(({ event }) => event === query.get('event')) ?? events[0]!
  const { data: flow } = usePolling(`flow of ${machine.name} ${seconds}`, SELECTION_MS * 2, (signal) =>
    read<Flow>(`/machines/${machine.name}/flow?window=${seconds}`, signal).catch(() => null),
  )
  const asked = new URLSearchParams({ event: chosen.event, to: chosen.to, window: String(seconds), ...(chosen.from ? { from: chosen.from } : {}) })
  const ask = `/machines/${machine.name}/movers?${asked}`
  const nothing = `Nothing took ${eventName(chosen.event)} here in the last ${duration(seconds * 1_000)}`
  return (
    <Selection title={`${chosen.from ? `From ${spoken(chosen.from)} ` : 'Born '}to ${spoken(chosen.to)}`} query={query}>
      <nav class="filter-chips" aria-label="Events of this arrow">
        {events.map(({ event, from, to }) => {
          const each = flow?.edges.find((candidate) => candidate.event === event && candidate.from === from && candidate.to === to)
          return (
            <a key={event} class="filter-chip" href={withQuery(query, { event })} aria-current={event === chosen.event ? 'true' : undefined}>
              <span class="mono">{eventName(event)}</span>
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
      {machine.name === 'job' ? (
        <JobMovers ask={ask} nothing={nothing} />
      ) : machine.counts ? (
        <Things ask={ask} machine={machine.name} nothing={nothing} shown={Number.POSITIVE_INFINITY} />
      ) : (
        <Blank title="What took this arrow is not for this account to see" />
      )}
    </Selection>
  )
}

function JobMovers({ ask, nothing }: { ask: string; nothing: string }) {
  const { data, error } = usePolling(ask, SELECTION_MS * 2, (signal) => readItems<Mover>(ask, signal))
  return (
    <>
      {data && data.length > 0 && (
        <JobLines
          lines={data
            .slice(0, SHOWN)
            .map((job) => ({ id: job.job_id, type: job.job_type, status: job.status, at: job.at, attempt: job.attempt, fault: job.last_error }))}
        />
      )}
      {data?.length === 0 && <Blank title={nothing} />}
      <Waiting data={data} error={error} />
    </>
  )
}

/** What a number of a machine is made of, each with a link to where it is looked at. */
function Things({ ask, machine, nothing, shown }: { ask: string; machine: string; nothing: string; shown: number }) {
  const { data, error } = usePolling(ask, SELECTION_MS, (signal) => readItems<MachineThing>(ask, signal))
  const lines = data?.slice(0, SHOWN)
  return (
    <>
      {lines && lines.length > 0 && (
        <ul class="lines" onKeyDown={moveAmongRows}>
          {lines.map((line) => (
            <li key={`${line.ticket_id} ${line.worker} ${line.detail} ${line.at}`} class="line row">
              {line.ticket_id ? (
                <a class="row-link line-name" href={ticketAddress(line.ticket_id)} title={line.subject ?? ''}>
                  <span class="number">#{line.ticket_number}</span> <bdi>{line.subject}</bdi>
                </a>
              ) : (
                <a class="row-link line-name number" href={workerAddress(line.worker!)}>
                  worker {line.worker}
                </a>
              )}
              {line.detail && <span class="line-detail">{line.detail}</span>}
              {line.count !== null && <span class="number">{line.count === 1 ? 'once' : `${line.count.toLocaleString('en')} times`}</span>}
              <span class="faint number">
                {OF_WORKERS.has(machine) && line.count === null && 'heard of '}
                <Age at={line.at} suffix=" ago" />
              </span>
            </li>
          ))}
        </ul>
      )}
      {data?.length === 0 && <Blank title={nothing} />}
      {lines && shown > lines.length && lines.length > 0 && shown !== Number.POSITIVE_INFINITY && <p class="faint">The newest {lines.length} are shown.</p>}
      <Waiting data={data} error={error} what="what stands here" />
    </>
  )
}

/** A supervisor stands in a worker's tree, whose heartbeat tells of it. */
const OF_WORKERS = new Set(['worker', 'queue_supervisor'])

function Waiting({ data, error, what = 'these jobs' }: { data: unknown; error: Error | undefined; what?: string }) {
  if (data) return null
  return error ? <Fault error={error} doing={`read ${what}`} /> : <Loading what={what} />
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
