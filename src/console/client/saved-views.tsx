import { useState } from 'preact/hooks'
import { randomKey, readItems, send } from './api.ts'
import { filtersOf } from './job-filter.ts'
import { Fault } from './marks.tsx'
import { usePolling } from './polling.ts'
import type { JobView, Me } from './shapes.ts'
import { useAction } from './use-action.ts'

const VIEWS_MS = 10_000
const VIEWS_MAX = 200
const NAME_CHARS = 40

/** These come with the console. */
const GIVEN = [
  { name: 'Dead letters', query: 'status=failed' },
  { name: 'Waiting for a retry', query: 'status=retried' },
]

type Named = Pick<JobView, 'name' | 'is_shared'>

/** Filters under a name, which the server keeps for whoever saved them, and for those with whom they are shared. */
export function SavedViews({ query, me }: { query: URLSearchParams; me: Me | undefined }) {
  const { data, error: unread, refresh } = usePolling('job-views', VIEWS_MS, (signal) => readItems<JobView>(`/job-views?limit=${VIEWS_MAX}`, signal))
  const { busy, error, run } = useAction()
  const [naming, setNaming] = useState(false)
  const asked = asView(query)
  const views = data ?? []
  const own = views.filter(({ owner_id }) => owner_id === me?.id)
  const present = own.find((view) => view.query === asked)
  const isKnown = [...GIVEN, ...views].some((view) => view.query === asked)
  const change = (deed: () => Promise<unknown>) =>
    run(async () => {
      await deed()
      setNaming(false)
      refresh()
    })
  const keep = (named: Named) =>
    change(() =>
      present
        ? send('PATCH', `/job-views/${present.id}`, { body: named })
        : send('POST', '/job-views', { body: { ...named, query: asked }, headers: { 'idempotency-key': randomKey() } }),
    )
  return (
    <>
      <nav class="views" aria-label="Saved views">
        {GIVEN.map((view) => (
          <ViewLink key={view.query} view={view} asked={asked} />
        ))}
        {views.map((view) => (
          <span key={view.id} class="view">
            <ViewLink view={view} asked={asked} note={view.is_shared ? (own.includes(view) ? 'You share it' : 'Somebody shares it') : undefined} />
            {own.includes(view) && (
              <button
                class="view-drop"
                disabled={busy}
                aria-label={`Forget the view ${view.name}`}
                onClick={() => change(() => send('DELETE', `/job-views/${view.id}`))}
              >
                ×
              </button>
            )}
          </span>
        ))}
        {data && asked !== '' && (present || !isKnown) && !naming && (
          <button class="button button-small" onClick={() => setNaming(true)}>
            {present ? 'Change this view' : 'Save this view'}
          </button>
        )}
        {naming && <ViewForm key={present?.id} view={present} busy={busy} keep={keep} cancel={() => setNaming(false)} />}
      </nav>
      {error && <Fault error={error} doing="keep the view" />}
      {!data && unread && <Fault error={unread} doing="read the saved views" />}
    </>
  )
}

function ViewForm({ view, busy, keep, cancel }: { view: JobView | undefined; busy: boolean; keep: (named: Named) => void; cancel: () => void }) {
  const [name, setName] = useState(view?.name ?? '')
  const [isShared, setShared] = useState(view?.is_shared ?? false)
  return (
    <form
      class="view-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (name.trim()) keep({ name: name.trim(), is_shared: isShared })
      }}
    >
      <input
        class="input"
        aria-label="Name of the view"
        maxLength={NAME_CHARS}
        required
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        ref={focusOnce}
      />
      <label class="view-share">
        <input type="checkbox" checked={isShared} onChange={(event) => setShared(event.currentTarget.checked)} /> Share it
      </label>
      <button class="button button-small button-main" disabled={busy}>
        {view ? 'Keep' : 'Save'}
      </button>
      <button class="button button-small" type="button" onClick={cancel}>
        Cancel
      </button>
    </form>
  )
}

function ViewLink({ view, asked, note }: { view: { name: string; query: string }; asked: string; note?: string | undefined }) {
  return (
    <a class="tab" href={`${location.pathname}?${view.query}`} aria-current={view.query === asked ? 'true' : undefined} title={note}>
      {view.name}
    </a>
  )
}

/** The filters of the address, in one order whatever the order in which they were chosen. */
function asView(query: URLSearchParams): string {
  const view = new URLSearchParams(filtersOf(query))
  view.sort()
  return view.toString()
}

const focusOnce = (element: HTMLElement | null) => element?.focus()
