import { useEffect, useState } from 'preact/hooks'

/** With its slash: the server sends /console there, without the query. */
export const HOME = '/console/'

export interface Route {
  /** The path below /console/, without slashes at its ends: '' or 'jobs/123'. */
  path: string
  query: URLSearchParams
}

/** Where the address bar stands; the component is drawn again when it moves. */
export function useRoute(): Route {
  const [route, setRoute] = useState(read)
  useEffect(() => {
    const follow = () => setRoute(read())
    addEventListener('popstate', follow)
    return () => removeEventListener('popstate', follow)
  }, [])
  return route
}

/** Goes to an address of the console. `replace` leaves no step to go back to. */
export function go(address: string, { replace = false } = {}): void {
  if (address === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  dispatchEvent(new PopStateEvent('popstate'))
}

/** The present query with some entries changed; an empty or null value takes the entry away. A change leaves the cursor behind. */
export function withQuery(query: URLSearchParams, changes: Record<string, string | null>): string {
  const next = new URLSearchParams(query)
  next.delete('cursor')
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value)
    else next.delete(key)
  }
  return next.size ? `${HOME}?${next}` : HOME
}

export const jobAddress = (id: number | string): string => `${HOME}jobs/${id}`

/** Lets plain clicks on the console's own links move without loading the page; all other clicks stay the browser's. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const address = event.target instanceof Element ? event.target.closest('a')?.getAttribute('href') : null
    if (!address?.startsWith(HOME)) return
    event.preventDefault()
    go(address)
  })
}

function read(): Route {
  return { path: location.pathname.slice(HOME.length).replace(/^\/+|\/+$/g, ''), query: new URLSearchParams(location.search) }
}
