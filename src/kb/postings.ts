/** How much a term that comes again adds, and how much a long text is held against it. */
export interface Damping {
  k1: number
  b: number
}

/** Which texts have which terms, and how often. */
export class Postings {
  readonly #rows = new Map<string, { row: number; count: number }[]>()
  readonly #lengths: number[] = []
  #total = 0

  get size(): number {
    return this.#lengths.length
  }

  /** Adds a text by its terms' counts; its row is the number of those before it. */
  add(counts: ReadonlyMap<string, number>): void {
    const row = this.#lengths.length
    let length = 0
    for (const [term, count] of counts) {
      length += count
      const posting = this.#rows.get(term)
      if (posting) posting.push({ row, count })
      else this.#rows.set(term, [{ row, count }])
    }
    this.#lengths.push(length)
    this.#total += length
  }

  /** Okapi BM25 of every row; a term that the query has again counts by its logarithm. */
  bm25(query: ReadonlyMap<string, number>, { k1, b }: Damping): Float64Array {
    const scores = new Float64Array(this.size)
    const mean = this.#total / Math.max(1, this.size) || 1
    for (const [term, asked] of query) {
      const posting = this.#rows.get(term) ?? []
      const weight = (1 + Math.log(asked)) * Math.log(1 + (this.size - posting.length + 0.5) / (posting.length + 0.5))
      for (const { row, count } of posting) scores[row]! += (weight * count * (k1 + 1)) / (count + k1 * (1 - b + (b * this.#lengths[row]!) / mean))
    }
    return scores
  }

  /** Cosine of every row's TF-IDF with the query's; terms that no row has make the query longer. */
  cosine(query: ReadonlyMap<string, number>): Float64Array {
    const scores = new Float64Array(this.size)
    let squares = 0
    for (const [term, asked] of query) {
      const rarity = this.#rarity(term)
      const weight = (1 + Math.log(asked)) * rarity
      squares += weight * weight
      for (const { row, count } of this.#rows.get(term) ?? []) scores[row]! += weight * (1 + Math.log(count)) * rarity
    }
    const norms = this.#norms()
    for (let row = 0; row < scores.length; row += 1) scores[row]! /= norms[row]! * Math.sqrt(squares) || 1
    return scores
  }

  #kept: Float64Array | null = null

  /** Each row's length, reckoned with the first question. */
  #norms(): Float64Array {
    if (this.#kept?.length === this.size) return this.#kept
    const squares = new Float64Array(this.size)
    for (const [term, posting] of this.#rows) {
      const rarity = this.#rarity(term)
      for (const { row, count } of posting) squares[row]! += ((1 + Math.log(count)) * rarity) ** 2
    }
    this.#kept = squares.map(Math.sqrt)
    return this.#kept
  }

  #rarity(term: string): number {
    return Math.log((1 + this.size) / (1 + (this.#rows.get(term)?.length ?? 0))) + 1
  }
}

/** How often each term comes. */
export function countsOf(terms: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1)
  return counts
}
