import { withQuery } from './route.ts'

const WINDOWS = [
  [300, '5 min'],
  [900, '15 min'],
  [3_600, '1 h'],
  [21_600, '6 h'],
  [86_400, '24 h'],
] as const
const USUAL = 900

/** How far back the page looks, as the address bar says it. */
export function windowOf(query: URLSearchParams): number {
  const asked = Number(query.get('window'))
  return WINDOWS.some(([seconds]) => seconds === asked) ? asked : USUAL
}

export function WindowPicker({ query }: { query: URLSearchParams }) {
  const chosen = windowOf(query)
  return (
    <nav class="tabs" aria-label="How far back">
      {WINDOWS.map(([seconds, words]) => (
        <a
          key={seconds}
          class="tab"
          href={withQuery(query, { window: seconds === USUAL ? null : String(seconds) })}
          aria-current={seconds === chosen ? 'true' : undefined}
        >
          {words}
        </a>
      ))}
    </nav>
  )
}
