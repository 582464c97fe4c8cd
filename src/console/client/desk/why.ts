const SHOWN = 6

/** What decided a field, as an explanation names it: the words with their weights, else the services, like tickets or the reason; null without any. */
export function whyOf(why: unknown): string | null {
  if (typeof why !== 'object' || why === null) return null
  const { words, services, nearest, reason } = why as Record<string, unknown>
  const told = listOf(words).flatMap(wordOf)
  if (told.length > 0) return `${typeof reason === 'string' ? `${reason}; ` : ''}because of ${told.slice(0, SHOWN).join(', ')}`
  if (typeof reason === 'string') return reason
  const named = listOf(services).filter((each) => typeof each === 'string')
  if (named.length > 0) return `works on ${named.slice(0, SHOWN).join(', ')}`
  const like = listOf(nearest).flatMap((each) => (isNumbered(each) ? [`#${each.number}`] : []))
  return like.length > 0 ? `like ${like.slice(0, SHOWN).join(', ')}` : null
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const isNumbered = (each: unknown): each is { number: number } => typeof (each as { number?: unknown } | null)?.number === 'number'

function wordOf(each: unknown): string[] {
  const { words, weight } = (each ?? {}) as { words?: unknown; weight?: unknown }
  if (typeof words !== 'string' || words === '') return []
  return [typeof weight === 'number' ? `${words} (${weight.toFixed(2)})` : words]
}
