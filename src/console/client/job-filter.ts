/** What GET /jobs can be asked for, by the word that one types before the colon. */
export const FILTER_WORDS = {
  type: 'job_type',
  queue: 'queue',
  state: 'status',
  worker: 'locked_by',
  ticket: 'ticket_id',
  org: 'organization_id',
  after: 'created_after',
  before: 'created_before',
} as const

export const FILTERS = ['status', 'job_type', 'queue', 'locked_by', 'ticket_id', 'organization_id', 'created_after', 'created_before', 'q'] as const
export type Filter = (typeof FILTERS)[number]
export type Filters = Partial<Record<Filter, string>>

/** The filters of the address bar, those that say something. */
export function filtersOf(query: URLSearchParams): Filters {
  return Object.fromEntries(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name)!]] : [])))
}

/** What was typed: `queue:ai type:PROBE some words` is two filters and a text. */
export function parseSearch(text: string): Filters {
  const filters: Filters = {}
  const words: string[] = []
  for (const word of text.trim().split(/\s+/)) {
    const [, name, value] = /^(\w+):(.+)$/.exec(word) ?? []
    const filter = FILTER_WORDS[name as keyof typeof FILTER_WORDS]
    if (!filter || value === undefined) words.push(word)
    else filters[filter] = filter === 'job_type' ? value.toUpperCase() : filter.startsWith('created') ? instant(value) : value
  }
  const q = words.join(' ').trim()
  return q ? { ...filters, q } : filters
}

/** The same filters as one would type them. */
export function writeSearch(filters: Filters): string {
  const words = Object.entries(FILTER_WORDS).flatMap(([word, name]) => (filters[name] ? [`${word}:${filters[name]}`] : []))
  return [...words, filters.q ?? ''].join(' ').trim()
}

/** "2h", "3d": so long ago; anything else is an instant as it stands. */
function instant(value: string): string {
  const [, count, unit] = /^(\d+)(m|h|d)$/.exec(value) ?? []
  if (!count) return /^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value
  return new Date(Date.now() - Number(count) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd']).toISOString()
}
