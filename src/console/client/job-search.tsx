import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { useCommands } from './commands.ts'
import { FILTER_WORDS, filtersOf, FILTERS, parseSearch, writeSearch } from './job-filter.ts'
import { go, jobAddress, withQuery } from './route.ts'

const TYPING_MS = 350
const HINTS = Object.keys(FILTER_WORDS).map((word) => `${word}:`)

/** One box for every field: `queue:ai after:2h some words`. A number alone is a job's id. */
export function JobSearch({ query }: { query: URLSearchParams }) {
  const asked = writeSearch(filtersOf(query))
  const [text, setText] = useState(asked)
  const sent = useRef(asked)
  const box = useRef<HTMLInputElement>(null)
  // The address moved by other means than this box (a link, the back button): it follows.
  useLayoutEffect(() => {
    if (asked !== sent.current) setText(asked)
    sent.current = asked
  }, [asked])
  useEffect(() => {
    const timer = setTimeout(() => send(text), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  useCommands([{ id: 'search', name: 'Search in jobs', keys: '/', run: () => box.current?.focus() }])

  function send(typed: string): void {
    const filters = parseSearch(typed)
    const words = writeSearch(filters)
    if (words === sent.current) return
    sent.current = words
    go(withQuery(new URLSearchParams(location.search), Object.fromEntries(FILTERS.map((name) => [name, filters[name] ?? null]))), { replace: true })
  }

  return (
    <search class="search">
      <input
        class="input"
        ref={box}
        type="search"
        list="search-words"
        placeholder="Search  /   queue:ai after:2h words"
        aria-label="Search in jobs"
        spellcheck={false}
        value={text}
        title={`Text in the payload or the last error, and ${HINTS.join(' ')}; a number is an id`}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') document.querySelector<HTMLElement>('.jobs .row-link')?.focus()
          if (event.key === 'Enter' && /^#?\d+$/.test(text.trim())) go(jobAddress(text.trim().replace('#', '')))
          else if (event.key === 'Enter') send(text)
        }}
      />
      <datalist id="search-words">
        {HINTS.map((hint) => (
          <option key={hint} value={hint} />
        ))}
      </datalist>
    </search>
  )
}
