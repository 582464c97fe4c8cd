import { AUTHORITY } from './authority.ts'

/** Paths that belong to another's area; every other area is the first word of its path. */
const AREA_OF: Readonly<Record<string, string>> = {
  search: 'tickets',
  comments: 'tickets',
  attachments: 'tickets',
  suggestions: 'tickets',
  internal: 'tickets',
  views: 'tickets',
  rag: 'kb',
  'job-views': 'jobs',
  queues: 'jobs',
  workers: 'jobs',
  machines: 'jobs',
  schedules: 'jobs',
  admin: 'jobs',
  organization: 'organizations',
}
const PREFIX = '/api/v1/'

/** `tickets:read` for GET /tickets; null where no API token may go (how one signs in) or none is needed. */
function scopeOf(method: string, pattern: string): string | null {
  const word = pattern.startsWith(PREFIX) ? pattern.slice(PREFIX.length).split('/', 1)[0]! : ''
  if (word === '' || word === 'auth') return null
  return `${AREA_OF[word] ?? word}:${method === 'GET' || method === 'HEAD' ? 'read' : 'write'}`
}

/** All that a token can be limited to; `read` and `write` stand for every area. */
export const SCOPES: readonly string[] = [
  'read',
  'write',
  ...new Set(
    Object.entries(AUTHORITY)
      .filter(([, rule]) => rule !== 'anyone')
      .map(([route]) => scopeOf(...(route.split(' ') as [string, string])))
      .filter((scope) => scope !== null)
      .toSorted(),
  ),
]

/** The scope that a token lacks for a route; null where it has it. Whoever holds a token may ask whose it is. */
export function missingScope(scopes: readonly string[], method: string, pattern: string): string | null {
  if (pattern === '/api/v1/auth/me') return null
  const scope = scopeOf(method, pattern)
  if (scope === null) return 'a sign-in'
  return scopes.includes(scope) || scopes.includes(scope.split(':')[1]!) ? null : scope
}
