import { quantile } from '#ai/measures.ts'
import { recall, reciprocalRank, scoreRankings } from './rankings.ts'
import type { Ranking } from './rankings.ts'
import { SearchIndex } from './search-index.ts'
import { learnSimilar } from './similar.ts'
import type { ComparableTicket } from './similar.ts'

/** How deep a ranking is looked at: deeper than any figure asks, so that the reciprocal rank of a bad one is known. */
const DEPTH = 100

export interface SearchRows {
  corpus: readonly { id: string; title: string; text: string }[]
  queries: readonly { id: string; text: string; relevant: readonly string[] }[]
  /** Queries that were answered by an article before. */
  accepted: readonly { text: string; article_id: string }[]
}

/** Searches as KB_SUGGEST does, without its floor: every query has its answer here. */
export async function evaluateSearch({ corpus, queries, accepted }: SearchRows) {
  const asked = Map.groupBy(accepted, ({ article_id }) => article_id)
  const entries = corpus.map(({ id, title, text }) => ({ title, text, item: id, asked: (asked.get(id) ?? []).map((query) => query.text) }))
  const index = await SearchIndex.learn(entries)
  const { rankings, p95_ms } = timed(queries, ({ text }) => index.search(text, DEPTH).map(({ item }) => item))
  return { queries: queries.length, documents: corpus.length, ...scoreRankings(rankings), p95_ms }
}

export interface SimilarRows {
  issues: readonly ComparableTicket[]
  pairs: readonly { a: string; b: string }[]
}

/** Asks for each later one of a pair; candidates are those that were there before it. */
export async function evaluateSimilar({ issues, pairs }: SimilarRows) {
  const byId = new Map(issues.map((issue) => [issue.id, issue]))
  const index = await learnSimilar(issues)
  const queries = queriesOf(pairs, byId)
  const { rankings, p95_ms } = timed(queries, ({ issue }) =>
    index.similar(issue, DEPTH, (other) => other.created_at < issue.created_at).map(({ ticket }) => ticket.id),
  )
  const mean = (of: (ranking: Ranking) => number): number => rankings.reduce((sum, ranking) => sum + of(ranking), 0) / Math.max(1, rankings.length)
  return { queries: queries.length, recall_at_5: mean((ranking) => recall(ranking, 5)), mrr: mean(reciprocalRank), p95_ms }
}

/** One query for each later issue, with all the earlier ones that it repeats. */
function queriesOf(pairs: SimilarRows['pairs'], byId: ReadonlyMap<string, ComparableTicket>): { issue: ComparableTicket; relevant: string[] }[] {
  const queries = new Map<string, { issue: ComparableTicket; relevant: string[] }>()
  for (const { a, b } of pairs) {
    const [one, other] = [byId.get(a)!, byId.get(b)!]
    const [earlier, later] = one.created_at < other.created_at ? [one, other] : [other, one]
    queries.getOrInsertComputed(later.id, () => ({ issue: later, relevant: [] })).relevant.push(earlier.id)
  }
  return [...queries.values()]
}

function timed<Query extends { relevant: readonly string[] }>(
  queries: readonly Query[],
  search: (query: Query) => string[],
): { rankings: Ranking[]; p95_ms: number } {
  const times: number[] = []
  const rankings = queries.map((query): Ranking => {
    const started = performance.now()
    const found = search(query)
    times.push(performance.now() - started)
    return { found, relevant: new Set(query.relevant) }
  })
  return { rankings, p95_ms: quantile(times, 0.95) }
}
