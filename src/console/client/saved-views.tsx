import { useState } from 'preact/hooks'

const KEY = 'atum-desk-job-views'
const VIEWS_MAX = 20
const NAME_CHARS = 40

interface View {
  name: string
  query: string
}

/** Filters under a name, kept in this browser; the first two come with the console. */
const GIVEN: readonly View[] = [
  { name: 'Dead letters', query: 'status=failed' },
  { name: 'Waiting for a retry', query: 'status=retried' },
]

export function SavedViews({ query }: { query: URLSearchParams }) {
  const [own, setOwn] = useState(kept)
  const [naming, setNaming] = useState(false)
  const asked = asView(query)
  const keep = (views: View[]) => {
    localStorage.setItem(KEY, JSON.stringify(views))
    setOwn(views)
  }
  const isKnown = [...GIVEN, ...own].some((view) => view.query === asked)
  return (
    <nav class="views" aria-label="Saved views">
      {GIVEN.map((view) => (
        <ViewLink key={view.name} view={view} asked={asked} />
      ))}
      {own.map((view) => (
        <span key={view.name} class="view">
          <ViewLink view={view} asked={asked} />
          <button class="view-drop" aria-label={`Forget the view ${view.name}`} onClick={() => keep(own.filter((each) => each !== view))}>
            ×
          </button>
        </span>
      ))}
      {asked !== '' && !isKnown && !naming && own.length < VIEWS_MAX && (
        <button class="button button-small" onClick={() => setNaming(true)}>
          Save this view
        </button>
      )}
      {naming && (
        <form
          class="view-form"
          onSubmit={(event) => {
            event.preventDefault()
            const name = new FormData(event.currentTarget).get('name')
            if (typeof name === 'string' && name.trim()) keep([...own.filter((view) => view.name !== name.trim()), { name: name.trim(), query: asked }])
            setNaming(false)
          }}
        >
          <input class="input" name="name" aria-label="Name of the view" maxLength={NAME_CHARS} required ref={(element) => element?.focus()} />
          <button class="button button-small button-main">Save</button>
          <button class="button button-small" type="button" onClick={() => setNaming(false)}>
            Cancel
          </button>
        </form>
      )}
    </nav>
  )
}

function ViewLink({ view, asked }: { view: View; asked: string }) {
  return (
    <a class="tab" href={`${location.pathname}?${view.query}`} aria-current={view.query === asked ? 'true' : undefined}>
      {view.name}
    </a>
  )
}

function asView(query: URLSearchParams): string {
  const view = new URLSearchParams(query)
  view.delete('cursor')
  view.sort()
  return view.toString()
}

/** What another version or a hand may have left there is not trusted. */
function kept(): View[] {
  try {
    const views: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(views) ? views.filter((view): view is View => typeof view?.name === 'string' && typeof view?.query === 'string') : []
  } catch {
    return []
  }
}
