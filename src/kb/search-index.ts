import { Breather } from '#ai/breather.ts'
import { Neighbours } from '#ai/neighbours.ts'
import { countsOf, Postings } from './postings.ts'
import { contentWords, languageOf, searchTerms, USUAL } from './language.ts'
import type { Language } from './language.ts'

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
   * How well the entry answers the query, 0 to 1. The order is that of the sum of the scores, each as a share of its
   * best; the level is the best cosine, which tells a query that the texts answer from a foreign one (AUC 0.97, where
   * the share of the query's words that were found gives 0.74).
   */
  relevance: number
}

const BODY = { k1: 2, b: 0.75 }
const TITLE = { k1: 1.2, b: 0.3 }
/** A word in the title counts as often as this many in the text. */
const TITLE_TIMES = 3
/** What each score adds, as a share of its best: of what was tried the one that is good for questions and for duplicates. */
const SHARES = { body: 1, stems: 1, terms: 1, title: 0.5, heading: 0.3 }

/**
 * Full-text search over one organisation's texts in memory: BM25 and cosine over stems, cosine over stems, pairs and
 * character n-grams, BM25 of the titles, and once more what the query says in its first line. Each text is stemmed by its own
 * language and the query by every language that the texts have, so that both sides agree whatever a short query looks like.
 */
export class SearchIndex<Item> {
  readonly #items: readonly Item[]
  readonly #body: Postings
  readonly #titles: Postings
  readonly #neighbours: Neighbours<number>
  readonly #languages: readonly Language[]

  private constructor(items: readonly Item[], body: Postings, titles: Postings, neighbours: Neighbours<number>, languages: readonly Language[]) {
    this.#items = items
    this.#body = body
    this.#titles = titles
    this.#neighbours = neighbours
    this.#languages = languages
  }

  static async learn<Item>(given: readonly Entry<Item>[], signal?: AbortSignal): Promise<SearchIndex<Item>> {
    const breather = new Breather()
    const entries = given.flatMap((entry) => [entry, ...(entry.asked ?? []).map((query): Entry<Item> => ({ title: '', text: query, item: entry.item }))])
    const [body, titles] = [new Postings(), new Postings()]
    const languages: Language[] = []
    for (const { title, text } of entries) {
      const language = languageOf(`${title}\n${text}`)
      languages.push(language)
      const titleCounts = countsOf(searchTerms(title, language))
      titles.add(titleCounts)
      const counts = countsOf(searchTerms(text, language))
      for (const [term, count] of titleCounts) counts.set(term, (counts.get(term) ?? 0) + TITLE_TIMES * count)
      body.add(counts)
      if (breather.due) await breather.pause(signal)
    }
    const rows = [...entries.keys()]
    const neighbours = await Neighbours.learn(rows, (row) => contentWords(`${entries[row]!.title}\n${entries[row]!.text}`, languages[row]).join(' '), signal)
    return new SearchIndex(
      entries.map(({ item }) => item),
      body,
      titles,
      neighbours,
      [...new Set(languages)],
    )
  }

  /** The items that are accepted, in the order in which they were given. */
  items(accept: (item: Item) => boolean): Item[] {
    return [...new Set(this.#items)].filter(accept)
  }

  /** The best items for a query, the best first, each by its best entry; those that share no term are left out. */
  search(query: string, limit: number, accept: (item: Item) => boolean = () => true): Hit<Item>[] {
    const termsOf = (text: string): Map<string, number> => countsOf(this.#languages.flatMap((language) => searchTerms(text, language)))
    const terms = termsOf(query)
    const heading = termsOf(query.trimStart().split('\n', 1)[0]!)
    const accepted = Uint8Array.from(this.#items, (item) => Number(accept(item)))
    const cosines = this.#neighbours.similarities(contentWords(query, this.#languageOf(query)).join(' '))
    const parts: [scores: Float64Array | Float32Array, share: number][] = [
      [this.#body.bm25(terms, BODY), SHARES.body],
      [this.#body.cosine(terms), SHARES.stems],
      [cosines, SHARES.terms],
      [this.#titles.bm25(terms, TITLE), SHARES.title],
      [this.#body.bm25(heading, BODY), SHARES.heading],
    ]
    const sums = new Float64Array(this.#items.length)
    let possible = 0
    for (const [scores, share] of parts) {
      const best = highest(scores, accepted)
      if (best === 0) continue
      possible += share
      for (let row = 0; row < sums.length; row += 1) sums[row]! += (share * scores[row]!) / best
    }
    const level = highest(cosines, accepted)
    const found = new Set<Item>()
    return [...sums.keys()]
      .filter((row) => accepted[row] === 1 && parts[0]![0][row]! > 0 && cosines[row]! > 0)
      .toSorted((a, b) => sums[b]! - sums[a]!)
      .filter((row) => !found.has(this.#items[row]!) && found.add(this.#items[row]!))
      .slice(0, limit)
      .map((row) => ({ item: this.#items[row]!, relevance: Math.min(1, (level * sums[row]!) / possible) }))
  }

  /** The language whose small words a query is rid of: one that some text has. */
  #languageOf(query: string): Language {
    if (this.#languages.length < 2) return this.#languages[0] ?? USUAL
    const language = languageOf(query)
    return this.#languages.includes(language) ? language : USUAL
  }
}

function highest(scores: Float64Array | Float32Array, accepted: Uint8Array): number {
  let best = 0
  for (let row = 0; row < scores.length; row += 1) if (accepted[row] === 1 && scores[row]! > best) best = scores[row]!
  return best
}
