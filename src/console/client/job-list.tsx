import { useEffect, useRef, useState } from 'preact/hooks'
import { jobs } from './api.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { go, HOME, jobAddress, withQuery } from './route.ts'
import { moveAmongRows } from './row-keys.ts'
import type { Job, Machine } from './shapes.ts'
import { spoken, toneOf } from './states.ts'

const JOBS_MS = 1_000
/** Older pages hardly change: they are asked for less often. */
const OLDER_MS = 5_000
const PAGE = 25
const TYPING_MS = 300
const FILTERS = ['status', 'job_type', 'queue', 'q', 'cursor']

/** The jobs, newest first, as far as the address bar's filters let them through. */
export function JobList({ query, machine }: { query: URLSearchParams; machine: Machine | undefined }) {
  const asked = Object.fromEntries(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name)!]] : [])))
  const cursor = query.get('cursor')
  const { data, error } = usePolling(`jobs ${JSON.stringify(asked)}`, cursor ? OLDER_MS : JOBS_MS, (signal) => jobs({ ...asked, limit: String(PAGE) }, signal))
  const types = useSeen(data?.items.map((job) => job.job_type) ?? [])
  const filtered = FILTERS.some((name) => name !== 'cursor' && query.get(name))

  return (
    <section class="card card-jobs" aria-labelledby="jobs-title">
      <div class="card-head">
        <h2 id="jobs-title">Jobs</h2>
        {error && data && <span class="stale">not renewed: {error.message}</span>}
        <span class="card-space" />
        <Search query={query} types={types} />
      </div>
      <StatusChips query={query} machine={machine} />
      {data && data.items.length > 0 && <Rows jobs={data.items} />}
      {data?.items.length === 0 && <NoJobs filtered={filtered} older={cursor !== null} />}
      {!data && !error && <Loading rows={8} what="the jobs" />}
      {!data && error && <Fault error={error} doing="read the jobs" />}
      {(cursor || data?.next_cursor) && (
        <nav class="pager" aria-label="Pages of jobs">
          {cursor ? (
            <a class="button" href={withQuery(query, {})}>
              Newest
            </a>
          ) : (
            <span class="pager-note">the newest {data?.items.length}</span>
          )}
          {data?.next_cursor && (
            <a class="button" href={olderAddress(query, data.next_cursor)}>
              Older
            </a>
          )}
        </nav>
      )}
    </section>
  )
}

const olderAddress = (query: URLSearchParams, cursor: string): string =>
  withQuery(query, {}).replace(/\?|$/, (mark) => `?cursor=${encodeURIComponent(cursor)}${mark ? '&' : ''}`)

function NoJobs({ filtered, older }: { filtered: boolean; older: boolean }) {
  if (older) return <Blank title="Nothing older than that." />
  if (filtered) {
    return (
      <Blank
        title="No job matches these filters"
        action={
          <a class="button" href={HOME}>
            Show all jobs
          </a>
        }
      >
        Jobs that come to match appear here by themselves.
      </Blank>
    )
  }
  return (
    <Blank title="No job yet">
      Jobs come with tickets: each new ticket enqueues its own. To see the machine move now, send some probes with the button above.
    </Blank>
  )
}

function StatusChips({ query, machine }: { query: URLSearchParams; machine: Machine | undefined }) {
  if (!machine) return null
  const status = query.get('status')
  return (
    <nav class="filter-chips" aria-label="Filter by state">
      <a class="filter-chip" href={withQuery(query, { status: null })} aria-current={status === null ? 'true' : undefined}>
        all
      </a>
      {machine.states.map((state) => (
        <a
          key={state}
          class={`filter-chip tone-${toneOf(state)}`}
          href={withQuery(query, { status: state === status ? null : state })}
          aria-current={state === status ? 'true' : undefined}
        >
          <span class="dot" />
          {spoken(state)} <span class="filter-count">{(machine.counts?.[state] ?? 0).toLocaleString('en')}</span>
        </a>
      ))}
    </nav>
  )
}

function Search({ query, types }: { query: URLSearchParams; types: string[] }) {
  const asked = { q: query.get('q') ?? '', job_type: query.get('job_type') ?? '' }
  const [text, setText] = useState(asked.q)
  const [type, setType] = useState(asked.job_type)
  const sent = useRef(asked)
  const box = useRef<HTMLInputElement>(null)
  // The address moved by other means than these boxes (a link, the back button): they follow it.
  useEffect(() => {
    if (asked.q !== sent.current.q) setText(asked.q)
    if (asked.job_type !== sent.current.job_type) setType(asked.job_type)
    sent.current = asked
  }, [asked.q, asked.job_type])
  useEffect(() => {
    const timer = setTimeout(() => {
      const wanted = { q: text.trim(), job_type: type.trim().toUpperCase() }
      if (wanted.q === sent.current.q && wanted.job_type === sent.current.job_type) return
      sent.current = wanted
      go(withQuery(new URLSearchParams(location.search), wanted), { replace: true })
    }, TYPING_MS)
    return () => clearTimeout(timer)
  }, [text, type])
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.target instanceof HTMLInputElement) return
      event.preventDefault()
      box.current?.focus()
    }
    addEventListener('keydown', focus)
    return () => removeEventListener('keydown', focus)
  }, [])

  return (
    <search class="search">
      <input
        class="input"
        list="job-types"
        placeholder="Type"
        aria-label="Job type"
        spellcheck={false}
        value={type}
        onInput={(event) => setType(event.currentTarget.value)}
      />
      <datalist id="job-types">
        {types.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <input
        class="input"
        ref={box}
        type="search"
        placeholder="Search text  /"
        aria-label="Search in jobs"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === 'ArrowDown' && document.querySelector<HTMLElement>('.jobs .row-link')?.focus()}
      />
    </search>
  )
}

function Rows({ jobs }: { jobs: Job[] }) {
  return (
    <table class="jobs" onKeyDown={moveAmongRows}>
      <thead>
        <tr>
          <th scope="col" class="number">
            Id
          </th>
          <th scope="col">Type</th>
          <th scope="col">State</th>
          <th scope="col" class="number">
            Attempt
          </th>
          <th scope="col">Queue</th>
          <th scope="col" class="number">
            Age
          </th>
          <th scope="col">Last error</th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <Row key={job.id} job={job} />
        ))}
      </tbody>
    </table>
  )
}

function Row({ job }: { job: Job }) {
  return (
    <tr class="row">
      <td class="number cell-id">
        <a class="row-link" href={jobAddress(job.id)} aria-label={`Job ${job.id}, ${job.job_type}, ${spoken(job.status)}`}>
          {job.id}
        </a>
      </td>
      <td class="cell-type">{job.job_type}</td>
      <td class="cell-state">
        <Chip state={job.status} />
      </td>
      <td class="number cell-attempt" title={`attempt ${job.attempt} of at most ${job.max_attempts}`}>
        {job.attempt}
        <span class="faint">/{job.max_attempts}</span>
      </td>
      <td class="cell-queue">{job.queue}</td>
      <td class="number cell-age">
        <Age at={job.created_at} />
      </td>
      <td class="cell-error" title={job.last_error ?? undefined}>
        {job.last_error}
      </td>
    </tr>
  )
}

/** Every value that was seen since the list was opened, in order: what a filter may offer. */
function useSeen(values: string[]): string[] {
  const seen = useRef(new Set<string>())
  for (const value of values) seen.current.add(value)
  return [...seen.current].sort()
}
