/** What a search answered, best first, and what it should have found. */
export interface Ranking {
  found: readonly string[]
  relevant: ReadonlySet<string>
}

/** The usual figures of rankings, each a mean over the queries. */
export function scoreRankings(rankings: readonly Ranking[]): { ndcg_at_10: number; hit_at_1: number; hit_at_3: number; recall_at_10: number; mrr: number } {
  const mean = (of: (ranking: Ranking) => number): number => rankings.reduce((sum, ranking) => sum + of(ranking), 0) / Math.max(1, rankings.length)
  return {
    ndcg_at_10: mean((ranking) => ndcg(ranking, 10)),
    hit_at_1: mean((ranking) => Number(hits(ranking, 1) > 0)),
    hit_at_3: mean((ranking) => Number(hits(ranking, 3) > 0)),
    recall_at_10: mean((ranking) => recall(ranking, 10)),
    mrr: mean(reciprocalRank),
  }
}

/** The share of what is relevant that stands among the first `depth`. */
export function recall(ranking: Ranking, depth: number): number {
  return hits(ranking, depth) / Math.max(1, ranking.relevant.size)
}

/** One over the place of the first relevant one; 0 where there is none. */
export function reciprocalRank({ found, relevant }: Ranking): number {
  const place = found.findIndex((id) => relevant.has(id))
  return place < 0 ? 0 : 1 / (place + 1)
}

function hits({ found, relevant }: Ranking, depth: number): number {
  return found.slice(0, depth).filter((id) => relevant.has(id)).length
}

function ndcg({ found, relevant }: Ranking, depth: number): number {
  const gain = (place: number): number => 1 / Math.log2(place + 2)
  const ideal = Array.from({ length: Math.min(depth, relevant.size) }, (_, place) => gain(place)).reduce((sum, one) => sum + one, 0)
  const reached = found.slice(0, depth).reduce((sum, id, place) => sum + (relevant.has(id) ? gain(place) : 0), 0)
  return ideal === 0 ? 0 : reached / ideal
}
