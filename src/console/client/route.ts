import { useLayoutEffect, useState } from 'preact/hooks'

/** With its slash: the server sends /console there, without the query. */
export const HOME = '/console/'
/** Where agents answer tickets. */
export const DESK = '/desk/'

export interface Route {
  /** Which of the two pages this is. */
  surface: 'console' | 'desk'
  /** The path below /console/ or /desk/, without slashes at its ends: '' or 'jobs/123'. */
  path: string
  query: URLSearchParams
}

/** Where the address bar stands; the component is drawn again when it moves. */
export function useRoute(): Route {
  const [route, setRoute] = useState(read)
  useLayoutEffect(() => {
    const follow = () => setRoute(read())
    addEventListener('popstate', follow)
    return () => removeEventListener('popstate', follow)
  }, [])
  return route
}

/** Goes to an address of ours. `replace` leaves no step to go back to. */
export function go(address: string, { replace = false } = {}): void {
  if (address === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  dispatchEvent(new PopStateEvent('popstate'))
}

/** The present page with some entries of its query changed; an empty or null value takes the entry away. A change leaves the cursor behind. */
export function withQuery(query: URLSearchParams, changes: Record<string, string | null>): string {
  const next = new URLSearchParams(query)
  next.delete('cursor')
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value)
    else next.delete(key)
  }
  return next.size ? `${location.pathname}?${next}` : location.pathname
}

export const ACCOUNT = `${HOME}account`
export const REGISTER = `${HOME}register`
export const FORGOT_PASSWORD = `${HOME}forgot-password`
export const JOBS = `${HOME}jobs`
export const jobAddress = (id: number | string): string => `${JOBS}/${id}`
export const jobsAddress = (filter: Record<string, string>): string => `${JOBS}?${new URLSearchParams(filter)}`
/** A worker's card on the page of the workers. */
export const workerAddress = (id: number | string): string => `${HOME}workers#worker-${id}`
export const ticketAddress = (id: string): string => `${DESK}tickets/${id}`

/** Lets plain clicks on our own links move without loading the page; all other clicks stay the browser's. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const address = event.target instanceof Element ? event.target.closest('a')?.getAttribute('href') : null
    if (!address?.startsWith(HOME) && !address?.startsWith(DESK)) return
    event.preventDefault()
    go(address)
  })
}

function read(): Route {
  const surface = location.pathname.startsWith(DESK) ? 'desk' : 'console'
  const base = surface === 'desk' ? DESK : HOME
  return { surface, path: location.pathname.slice(base.length).replace(/^\/+|\/+$/g, ''), query: new URLSearchParams(location.search) }
}
