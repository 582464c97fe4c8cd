import { countTerms, wordHash } from './features.ts'
import type { TermCounts } from './features.ts'
import type { Breather } from './breather.ts'

/** A text as weights of the vocabulary's columns; columns it does not have are zero. */
export interface SparseVector {
  columns: Int32Array
  weights: Float32Array
}

/** TF-IDF over words, pairs of words and character n-grams, learned from one set of texts. */
export class Vectorizer {
  readonly #columns: ReadonlyMap<number, number>
  readonly #idf: Float32Array
  /** What a term weighs that no text has. */
  readonly #unknown: number

  private constructor(columns: ReadonlyMap<number, number>, idf: Float32Array, texts: number) {
    this.#columns = columns
    this.#idf = idf
    this.#unknown = Math.log(1 + texts) + 1
  }

  get size(): number {
    return this.#idf.length
  }

  /** Learns the columns: every term of a small set; in a larger one those that two texts share, which halves the size and changes no measured figure. */
  static async learn(texts: readonly string[], breather: Breather, signal?: AbortSignal): Promise<{ vectorizer: Vectorizer; vectors: SparseVector[] }> {
    const counted: TermCounts[] = []
    const frequency = new Map<number, number>()
    for (const text of texts) {
      const counts = countTerms(text)
      counted.push(counts)
      for (const block of [counts.words, counts.chars]) for (const id of block.keys()) frequency.set(id, (frequency.get(id) ?? 0) + 1)
      if (breather.due) await breather.pause(signal)
    }
    const least = texts.length > 200 ? 2 : 1
    const columns = new Map<number, number>()
    for (const [id, texts] of frequency) if (texts >= least) columns.set(id, columns.size)
    const idf = new Float32Array(columns.size)
    for (const [id, column] of columns) idf[column] = Math.log((1 + texts.length) / (1 + frequency.get(id)!)) + 1
    const vectorizer = new Vectorizer(columns, idf, texts.length)
    const vectors: SparseVector[] = []
    for (const counts of counted) {
      vectors.push(vectorizer.#vector(counts))
      if (breather.due) await breather.pause(signal)
    }
    return { vectorizer, vectors }
  }

  /** @param counting `known`: as if the text had only terms of the vocabulary; `all`: terms that it lacks make the rest weigh less */
  vector(text: string, counting: 'known' | 'all' = 'known'): SparseVector {
    return this.#vector(countTerms(text), counting === 'all')
  }

  /** The column of a word or a pair of words, or undefined where the vocabulary lacks it. */
  columnOf(words: string): number | undefined {
    return this.#columns.get(wordHash(words))
  }

  #vector({ words, chars }: TermCounts, withUnknown = false): SparseVector {
    const blocks = [this.#block(words, withUnknown), this.#block(chars, withUnknown)]
    const length = blocks.reduce((sum, { known }) => sum + known.length, 0)
    const columns = new Int32Array(length)
    const weights = new Float32Array(length)
    let at = 0
    for (const { known, squares } of blocks) {
      // Each block has length √½, so that the many n-grams do not drown the words, and the whole has length 1.
      const norm = Math.sqrt(2 * squares) || 1
      for (const [column, weight] of known) {
        columns[at] = column
        weights[at] = weight / norm
        at += 1
      }
    }
    return { columns, weights }
  }

  #block(counts: Map<number, number>, withUnknown: boolean): { known: [number, number][]; squares: number } {
    const known: [number, number][] = []
    let squares = 0
    for (const [id, count] of counts) {
      const column = this.#columns.get(id)
      if (column === undefined && !withUnknown) continue
      const weight = (1 + Math.log(count)) * (column === undefined ? this.#unknown : this.#idf[column]!)
      squares += weight * weight
      if (column !== undefined) known.push([column, weight])
    }
    return { known, squares }
  }
}
