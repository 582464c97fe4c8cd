import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { jobs } from './api.ts'
import { BulkBar } from './bulk-bar.tsx'
import { useHeld } from './held.ts'
import { filtersOf } from './job-filter.ts'
import { JobRows } from './job-rows.tsx'
import { JobSearch } from './job-search.tsx'
import { Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { withQuery } from './route.ts'
import type { Machine } from './shapes.ts'
import { spoken, toneOf } from './states.ts'

const JOBS_MS = 1_000
/** Older pages hardly change: they are asked for less often. */
const OLDER_MS = 5_000

/** The jobs, newest first, as far as the address bar's filters let them through. `page` is how many are shown. */
export function JobList({
  query,
  machine,
  page,
  mayMove,
  title,
  children,
}: {
  query: URLSearchParams
  machine: Machine | undefined
  page: number
  mayMove: boolean
  title: string
  /** What stands between the head and the filters. */
  children?: ComponentChildren
}) {
  const filters = filtersOf(query)
  const cursor = query.get('cursor')
  const asked = { ...filters, ...(cursor ? { cursor } : {}), limit: String(page) }
  const key = `jobs ${JSON.stringify(asked)}`
  const { data, error, refresh } = usePolling(key, cursor ? OLDER_MS : JOBS_MS, (signal) => jobs(asked, signal))
  const { items, newer, letGo, holders } = useHeld(data?.items ?? [], ({ id }) => id, key)
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const toggle = (ids: number[], on: boolean) =>
    setChosen((before) => {
      const after = new Set(before)
      for (const id of ids) after[on ? 'add' : 'delete'](id)
      return after
    })
  const isFiltered = Object.keys(filters).length > 0

  return (
    <section class="card card-jobs" aria-labelledby="jobs-title">
      <div class="card-head">
        {title === 'Jobs' ? <h1 id="jobs-title">Jobs</h1> : <h2 id="jobs-title">{title}</h2>}
        {error && data && <span class="stale">not renewed: {error.message}</span>}
        <span class="card-space" />
        <JobSearch query={query} />
      </div>
      {children}
      <StatusChips query={query} machine={machine} />
      {mayMove && <BulkBar key={JSON.stringify(filters)} chosen={chosen} filters={filters} clear={() => setChosen(new Set())} moved={refresh} />}
      {data && items.length > 0 && (
        <div {...holders}>
          <p class="newer" role="status">
            {newer > 0 && (
              <button class="button button-small" onClick={letGo}>
                {newer === page ? `${newer} or more` : newer} newer: show
              </button>
            )}
          </p>
          <JobRows jobs={items} choice={mayMove ? { chosen, toggle } : undefined} />
        </div>
      )}
      {data && items.length === 0 && <NoJobs filtered={isFiltered} older={cursor !== null} />}
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
          <a class="button" href={location.pathname}>
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
      Jobs come with tickets: each new ticket enqueues its own. To see the machine move now, send some probes from the page of the machines.
    </Blank>
  )
}

/** The states with how many jobs stand in each: counts that are kept, and cost nothing with a million jobs. */
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
