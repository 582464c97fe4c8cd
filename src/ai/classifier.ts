import { ownShare, shares } from './calibration.ts'
import { wordsOf } from './features.ts'
import { logitsOf } from './learning.ts'
import type { ClassifierData, Example, Measured } from './learning.ts'
import { learnInThread } from './learning-thread.ts'
import { Vectorizer } from './vectorizer.ts'
import type { SparseVector } from './sparse.ts'
import type { Tagged } from './tag-learning.ts'

export interface Ranked {
  label: string
  confidence: number
}

/** A text classifier with calibrated confidence, which knows when a text is foreign to what it learned from. */
export class TextClassifier {
  readonly data: ClassifierData
  readonly #vectorizer: Vectorizer
  /** The text that was asked about last: its rank, familiarity and evidence are asked for one after the other. */
  #last: { text: string; vector: SparseVector; margins: Float64Array; logits: Float64Array } | null = null

  constructor(data: ClassifierData) {
    this.data = data
    this.#vectorizer = new Vectorizer(data.vocabulary)
  }

  get labels(): readonly string[] {
    return this.data.labels
  }

  /** How it did on rows that it had not learned from; null where there were too few to say. */
  get measured(): Measured | null {
    return this.data.measured
  }

  /** How often the best label was right for held-out texts that are not familiar; 0 where there were none. */
  get foreignAccuracy(): number {
    return this.data.foreignAccuracy
  }

  /** Learns in another thread; networks are worth their time where there are many labels. */
  static async learn(examples: readonly Example[], signal?: AbortSignal, networks = true): Promise<TextClassifier> {
    return new TextClassifier(await learnInThread({ examples, networks }, signal))
  }

  /** The same of texts that have several labels or none: each label has a probability of its own. */
  static async learnTags(tagged: readonly Tagged[], signal?: AbortSignal): Promise<TextClassifier> {
    return new TextClassifier(await learnInThread({ tagged }, signal))
  }

  /** Every label with its share of the confidence (its own probability, where a text may have several), the surest first. Empty where the text shares no term with what was learned. */
  rank(text: string): Ranked[] {
    const { vector, logits } = this.#look(text)
    if (vector.columns.length === 0) return []
    const { temperature, offset } = this.data
    const confidence = offset === null ? shares([...logits], temperature) : [...logits].map((margin) => ownShare(margin, { temperature, offset }))
    return this.data.labels.map((label, index) => ({ label, confidence: confidence[index]! })).toSorted((a, b) => b.confidence - a.confidence)
  }

  /**
   * Whether some label speaks for the text about as much as for texts of the kind that was learned from. Shares of
   * confidence add up to one for any text, also for one that is about something else altogether.
   */
  isFamiliar(text: string): boolean {
    return this.familiarity(text) >= this.data.leastMargin
  }

  /** How much the label that speaks most for the text does so; comparable between texts. */
  familiarity(text: string): number {
    const { vector, margins } = this.#look(text)
    return vector.columns.length === 0 ? Number.NEGATIVE_INFINITY : Math.max(...margins)
  }

  /** The words and pairs of words that spoke most for `label`, with what each added to its margin. */
  evidence(text: string, label: string, limit: number): { words: string; weight: number }[] {
    const at = this.data.labels.indexOf(label)
    if (at < 0) return []
    const { vector } = this.#look(text)
    const { labels, weights } = this.data.linear
    const added = new Map([...vector.columns].map((column, index) => [column, weights[column * labels + at]! * vector.weights[index]!]))
    const words = wordsOf(text)
    // Forms of one word share a column, and are named once.
    const byColumn = new Map<number, string>()
    for (const candidate of [...words, ...words.slice(1).map((word, index) => `${words[index]} ${word}`)]) {
      const column = this.#vectorizer.columnOf(candidate)
      if (column !== undefined && !byColumn.has(column)) byColumn.set(column, candidate)
    }
    return [...byColumn]
      .map(([column, candidate]) => ({ words: candidate, weight: added.get(column) ?? 0 }))
      .filter(({ weight }) => weight > 0)
      .toSorted((a, b) => b.weight - a.weight)
      .slice(0, limit)
  }

  #look(text: string): { vector: SparseVector; margins: Float64Array; logits: Float64Array } {
    if (this.#last?.text === text) return this.#last
    const vector = this.#vectorizer.vector(text)
    this.#last = { text, vector, ...logitsOf(this.data, vector) }
    return this.#last
  }
}
