import { Breather } from '#ai/breather.ts'
import { Neighbours } from '#ai/neighbours.ts'
import { contentWords, searchTerms } from './terms.ts'

/** A text that can be found. */
export interface Entry<Item> {
  title: string
  text: string
  item: Item
  /** Queries to which the item was the accepted answer; each is as good as a text of its own. */
  asked?: readonly string[]
}

export interface Hit<Item> {
  item: Item
  /**
   * How well the entry answers the query, 0 to 1. The order is that of the sum of both scores, each as a share of its
   * best; the level is the best cosine, which tells a query that the texts answer from a foreign one (AUC 0.97, where
   * the share of the query's words that were found gives 0.74).
   */
  relevance: number
}

const K1 = 1.2
const B = 0.75
/** A word in the title counts as often as this many in the text. */
const TITLE_WEIGHT = 3
const FUSED = 200

/** Full-text search over one organisation's texts in memory: BM25 over stems, fused with TF-IDF over words and character n-grams. */
export class SearchIndex<Item> {
  readonly #entries: readonly Entry<Item>[]
  readonly #postings: ReadonlyMap<string, { row: number; count: number }[]>
  readonly #lengths: Float64Array
  readonly #meanLength: number
  readonly #neighbours: Neighbours<number>

  private constructor(
    entries: readonly Entry<Item>[],
    postings: ReadonlyMap<string, { row: number; count: number }[]>,
    lengths: Float64Array,
    neighbours: Neighbours<number>,
  ) {
    this.#entries = entries
    this.#postings = postings
    this.#lengths = lengths
    this.#meanLength = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length) || 1
    this.#neighbours = neighbours
  }

  static async learn<Item>(given: readonly Entry<Item>[], signal?: AbortSignal): Promise<SearchIndex<Item>> {
    const breather = new Breather()
    const entries = given.flatMap((entry) => [entry, ...(entry.asked ?? []).map((query): Entry<Item> => ({ title: '', text: query, item: entry.item }))])
    const postings = new Map<string, { row: number; count: number }[]>()
    const lengths = new Float64Array(entries.length)
    for (const [row, { title, text }] of entries.entries()) {
      const counts = new Map<string, number>()
      for (const term of searchTerms(title)) counts.set(term, (counts.get(term) ?? 0) + TITLE_WEIGHT)
      for (const term of searchTerms(text)) counts.set(term, (counts.get(term) ?? 0) + 1)
      for (const [term, count] of counts) {
        lengths[row]! += count
        const posting = postings.get(term)
        if (posting) posting.push({ row, count })
        else postings.set(term, [{ row, count }])
      }
      if (breather.due) await breather.pause(signal)
    }
    const rows = [...entries.keys()]
    const neighbours = await Neighbours.learn(rows, (row) => contentWords(`${entries[row]!.title}\n${entries[row]!.text}`).join(' '), signal)
    return new SearchIndex(entries, postings, lengths, neighbours)
  }

  /** The best items for a query, the best first, each by its best entry; those that share no term are left out. */
  search(query: string, limit: number, accept: (item: Item) => boolean = () => true): Hit<Item>[] {
    const terms = new Set(searchTerms(query))
    const bm25 = this.#bm25(terms)
    const cosine = new Map(this.#neighbours.nearest(contentWords(query).join(' '), FUSED).map(({ item, similarity }) => [item, similarity]))
    const bestBm25 = Math.max(...bm25.values(), 0)
    const bestCosine = Math.max(...cosine.values(), 0)
    if (bestBm25 === 0 || bestCosine === 0) return []
    const found = new Set<Item>()
    return [...cosine.keys()]
      .filter((row) => bm25.has(row) && accept(this.#entries[row]!.item))
      .map((row) => ({ item: this.#entries[row]!.item, relevance: (bestCosine * (bm25.get(row)! / bestBm25 + cosine.get(row)! / bestCosine)) / 2 }))
      .toSorted((a, b) => b.relevance - a.relevance)
      .filter(({ item }) => !found.has(item) && found.add(item))
      .slice(0, limit)
  }

  #bm25(terms: ReadonlySet<string>): Map<number, number> {
    const scores = new Map<number, number>()
    for (const term of terms) {
      for (const { row, count } of this.#postings.get(term) ?? []) {
        const damped = (count * (K1 + 1)) / (count + K1 * (1 - B + (B * this.#lengths[row]!) / this.#meanLength))
        scores.set(row, (scores.get(row) ?? 0) + this.#rarity(term) * damped)
      }
    }
    return scores
  }

  #rarity(term: string): number {
    const texts = this.#postings.get(term)?.length ?? 0
    return Math.log(1 + (this.#entries.length - texts + 0.5) / (texts + 0.5))
  }
}
