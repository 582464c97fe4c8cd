import { countTerms, stemOf, wordHash } from './features.ts'
import type { TermCounts } from './features.ts'
import { Growing } from './sparse.ts'
import type { SparseRows, SparseVector } from './sparse.ts'

/** Up to this many texts every term is a column; above, those that two texts share: half of the columns, for a third of a point. */
const SMALL = 50_000
/** Length of the block of words and of the block of character n-grams, so that the many n-grams do not drown the words. */
const WORDS_LENGTH = 0.8
const CHARS_LENGTH = 0.6
/** The same of the loose pairs; one that a single text has is no column. */
const LOOSE_LENGTH = 0.6

/** A vocabulary as it is kept: a column's term is its place here. The stems come first. */
export interface Vocabulary {
  /** The hashes of the terms. */
  terms: Uint32Array
  idf: Float32Array
  stems: number
  texts: number
  /** Whether stems that stand near each other are terms. */
  loose: boolean
}

/** TF-IDF over stems, pairs of stems and character n-grams, learned from one set of texts. */
export class Vectorizer {
  readonly vocabulary: Vocabulary
  readonly #columns: ReadonlyMap<number, number>
  /** What a term weighs that no text has. */
  readonly #unknown: number

  constructor(vocabulary: Vocabulary) {
    this.vocabulary = vocabulary
    const columns = new Map<number, number>()
    for (let column = 0; column < vocabulary.terms.length; column += 1) columns.set(vocabulary.terms[column]!, column)
    this.#columns = columns
    this.#unknown = Math.log(1 + vocabulary.texts) + 1
  }

  get size(): number {
    return this.vocabulary.terms.length
  }

  /** @param loose whether stems that stand near each other are terms: a third more to learn, for few labels worth it */
  static learn(texts: readonly string[], loose = false): { vectorizer: Vectorizer; rows: SparseRows } {
    const counted = new Counted(texts, loose)
    const vectorizer = new Vectorizer(vocabularyOf(counted, texts.length, loose))
    return { vectorizer, rows: counted.weighed(vectorizer) }
  }

  /** @param counting `known`: as if the text had only terms of the vocabulary; `all`: terms that it lacks make the rest weigh less */
  vector(text: string, counting: 'known' | 'all' = 'known'): SparseVector {
    const { stems, pairs, chars, loose } = countTerms(text, this.vocabulary.loose)
    const columns = new Growing(new Int32Array(256))
    const weights = new Growing(new Float32Array(256))
    for (const [blocks, length] of [
      [[stems, pairs], WORDS_LENGTH],
      [[chars], CHARS_LENGTH],
      [[loose], LOOSE_LENGTH],
    ] as const) {
      let squares = 0
      const from = weights.length
      for (const block of blocks) {
        for (const [term, count] of block) {
          const column = this.#columns.get(term)
          if (column === undefined && counting === 'known') continue
          const weight = (1 + Math.log(count)) * (column === undefined ? this.#unknown : this.vocabulary.idf[column]!)
          squares += weight * weight
          if (column === undefined) continue
          columns.push(column)
          weights.push(weight)
        }
      }
      scale(weights.view(), from, length / (Math.sqrt(squares) || 1))
    }
    return { columns: columns.view(), weights: weights.view() }
  }

  /** The column of a term, by its hash. */
  column(term: number): number | undefined {
    return this.#columns.get(term)
  }

  /** The column of a word or of two words, or undefined where the vocabulary lacks it. */
  columnOf(words: string): number | undefined {
    return this.#columns.get(wordHash(words.split(' ').map(stemOf).join(' ')))
  }
}

function scale(weights: Float32Array, from: number, factor: number): void {
  for (let index = from; index < weights.length; index += 1) weights[index]! *= factor
}

/** The counted terms of many texts, packed: a Map for each text would take ten times the room. */
class Counted {
  readonly #terms = new Growing(new Uint32Array(65_536))
  readonly #counts = new Growing(new Float32Array(65_536))
  /** Where each text's stems, pairs, n-grams and loose pairs begin. */
  readonly #starts = new Growing(new Int32Array(4_096))
  /** How many texts have a term; the stems and the loose pairs apart. */
  readonly stems = new Map<number, number>()
  readonly others = new Map<number, number>()
  readonly loose = new Map<number, number>()

  constructor(texts: readonly string[], loosely: boolean) {
    for (const text of texts) this.#add(countTerms(text, loosely))
  }

  #add({ stems, pairs, chars, loose }: TermCounts): void {
    for (const block of [stems, pairs, chars, loose]) {
      this.#starts.push(this.#terms.length)
      const frequency = block === stems ? this.stems : block === loose ? this.loose : this.others
      for (const [term, count] of block) {
        this.#terms.push(term)
        this.#counts.push(count)
        frequency.set(term, (frequency.get(term) ?? 0) + 1)
      }
    }
  }

  /** The same texts as weights of the vocabulary's columns, in the place of the counts. */
  weighed(vectorizer: Vectorizer): SparseRows {
    const [terms, counts, begins] = [this.#terms.view(), this.#counts.view(), this.#starts.view()]
    const { idf } = vectorizer.vocabulary
    const starts = new Int32Array(begins.length / 4 + 1)
    const columns = new Int32Array(terms.buffer, 0, terms.length)
    let at = 0
    for (let text = 0; text < starts.length - 1; text += 1) {
      const [words, chars, loose, end] = [begins[4 * text]!, begins[4 * text + 2]!, begins[4 * text + 3]!, begins[4 * text + 4] ?? terms.length]
      for (const [from, to, length] of [
        [words, chars, WORDS_LENGTH],
        [chars, loose, CHARS_LENGTH],
        [loose, end, LOOSE_LENGTH],
      ] as const) {
        const first = at
        let squares = 0
        for (let index = from; index < to; index += 1) {
          const column = vectorizer.column(terms[index]!)
          if (column === undefined) continue
          const weight = (1 + Math.log(counts[index]!)) * idf[column]!
          squares += weight * weight
          // What is written lies at or before what is read.
          columns[at] = column
          counts[at] = weight
          at += 1
        }
        scale(counts.subarray(0, at), first, length / (Math.sqrt(squares) || 1))
      }
      starts[text + 1] = at
    }
    return { starts, columns: columns.subarray(0, at), weights: counts.subarray(0, at), size: vectorizer.size }
  }
}

function vocabularyOf(counted: Counted, texts: number, loose: boolean): Vocabulary {
  const terms = new Growing(new Uint32Array(4_096))
  const idf = new Growing(new Float32Array(4_096))
  let stems = 0
  for (const frequency of [counted.stems, counted.others, counted.loose]) {
    const least = texts > SMALL || frequency === counted.loose ? 2 : 1
    for (const [term, having] of frequency) {
      if (having < least) continue
      terms.push(term)
      idf.push(Math.log((1 + texts) / (1 + having)) + 1)
    }
    if (frequency === counted.stems) stems = terms.length
  }
  return { terms: terms.view().slice(), idf: idf.view().slice(), stems, texts, loose }
}
