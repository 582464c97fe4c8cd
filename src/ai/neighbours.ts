import { Breather } from './breather.ts'
import { Vectorizer } from './vectorizer.ts'

export interface Neighbour<Item> {
  item: Item
  /** Cosine of the two texts' vectors, 0 to 1. */
  similarity: number
}

/** Finds the texts that are most like another one, by an inverted index over their TF-IDF columns. */
export class Neighbours<Item> {
  readonly #items: readonly Item[]
  readonly #vectorizer: Vectorizer
  readonly #starts: Int32Array
  readonly #rows: Int32Array
  readonly #weights: Float32Array

  private constructor(items: readonly Item[], vectorizer: Vectorizer, starts: Int32Array, rows: Int32Array, weights: Float32Array) {
    this.#items = items
    this.#vectorizer = vectorizer
    this.#starts = starts
    this.#rows = rows
    this.#weights = weights
  }

  static async learn<Item>(items: readonly Item[], textOf: (item: Item) => string, signal?: AbortSignal): Promise<Neighbours<Item>> {
    const breather = new Breather()
    const { vectorizer, rows: texts } = Vectorizer.learn(items.map(textOf))
    const starts = new Int32Array(vectorizer.size + 1)
    for (const column of texts.columns) starts[column + 1]! += 1
    for (let column = 0; column < vectorizer.size; column += 1) starts[column + 1]! += starts[column]!
    const rows = new Int32Array(starts.at(-1)!)
    const weights = new Float32Array(rows.length)
    const next = starts.slice()
    for (let row = 0; row < items.length; row += 1) {
      for (let index = texts.starts[row]!; index < texts.starts[row + 1]!; index += 1) {
        const at = next[texts.columns[index]!]!++
        rows[at] = row
        weights[at] = texts.weights[index]!
      }
      if (breather.due) await breather.pause(signal)
    }
    return new Neighbours(items, vectorizer, starts, rows, weights)
  }

  /** The `limit` most similar items, the most similar first; those that share nothing are left out. */
  nearest(text: string, limit: number, accept: (item: Item) => boolean = () => true): Neighbour<Item>[] {
    const similarity = this.similarities(text)
    return this.#items
      .map((item, row) => ({ item, similarity: Math.min(1, similarity[row]!) }))
      .filter((neighbour) => neighbour.similarity > 0 && accept(neighbour.item))
      .toSorted((a, b) => b.similarity - a.similarity)
      .slice(0, limit)
  }

  /** The cosine of each item's text with this one, in the order of the items. */
  similarities(text: string): Float32Array {
    const vector = this.#vectorizer.vector(text, 'all')
    const similarity = new Float32Array(this.#items.length)
    for (let index = 0; index < vector.columns.length; index += 1) {
      const weight = vector.weights[index]!
      const end = this.#starts[vector.columns[index]! + 1]!
      for (let at = this.#starts[vector.columns[index]!]!; at < end; at += 1) similarity[this.#rows[at]!]! += weight * this.#weights[at]!
    }
    return similarity
  }
}
