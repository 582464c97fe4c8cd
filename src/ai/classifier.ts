import { Breather } from './breather.ts'
import { calibrationError, fitTemperature, shares } from './calibration.ts'
import type { HeldOut, Judged } from './calibration.ts'
import { wordsOf } from './features.ts'
import { learnLinear, marginsOf } from './linear.ts'
import type { LinearModel } from './linear.ts'
import { Vectorizer } from './vectorizer.ts'
import type { SparseVector } from './vectorizer.ts'

/** A text whose label is known. A seed (a label's own name and description) is learned from, never measured on. */
export interface Example {
  text: string
  label: string
  seed?: boolean
}

/** How a model did on rows that it had not learned from. */
export interface Measured {
  rows: number
  accuracy: number
  ece: number
}

export interface Ranked {
  label: string
  confidence: number
}

/** With fewer measured rows than this a temperature would follow chance. */
const MIN_HELD_OUT = 20
/** A little flatter than the 0.11 to 0.25 that fitting finds, because small sets come out too sure of themselves. */
const COLD_TEMPERATURE = 0.3
/** Every row is held out once up to here; above, one part of three is held out once. */
const FULL_CROSS_VALIDATION_ROWS = 600
const FOLDS = 3
/** A text is foreign where its best margin lies below that of all but this share of the held-out texts that were judged rightly. */
const FOREIGN_SHARE = 0.1

/** A text classifier with calibrated confidence: TF-IDF, linear machines, softmax with a fitted temperature. */
export class TextClassifier {
  readonly #vectorizer: Vectorizer
  readonly #model: LinearModel
  readonly #temperature: number
  readonly #leastMargin: number
  /** How often the best label was right for held-out texts that are not familiar; 0 where there were none. */
  readonly foreignAccuracy: number
  readonly measured: Measured | null

  private constructor(
    vectorizer: Vectorizer,
    model: LinearModel,
    temperature: number,
    leastMargin: number,
    foreignAccuracy: number,
    measured: Measured | null,
  ) {
    this.#vectorizer = vectorizer
    this.#model = model
    this.#temperature = temperature
    this.#leastMargin = leastMargin
    this.foreignAccuracy = foreignAccuracy
    this.measured = measured
  }

  get labels(): readonly string[] {
    return this.#model.labels
  }

  /** Learns in slices; the event loop is never held for longer than a few dozen milliseconds. */
  static async learn(examples: readonly Example[], signal?: AbortSignal): Promise<TextClassifier> {
    const breather = new Breather()
    const { vectorizer, vectors } = await Vectorizer.learn(
      examples.map(({ text }) => text),
      breather,
      signal,
    )
    const labels = examples.map(({ label }) => label)
    const model = await learnLinear(vectors, labels, vectorizer.size, breather, signal)
    const heldOut = await holdOut(examples, vectors, model.labels, vectorizer.size, breather, signal)
    if (heldOut.length < MIN_HELD_OUT) return new TextClassifier(vectorizer, model, COLD_TEMPERATURE, Number.NEGATIVE_INFINITY, 0, null)
    const temperature = fitTemperature(heldOut)
    const least = leastMargin(heldOut)
    return new TextClassifier(vectorizer, model, temperature, least, accuracyBelow(heldOut, least), measure(heldOut, temperature))
  }

  /** Every label with its share of the confidence, the surest first. Empty where the text shares no term with what was learned. */
  rank(text: string): Ranked[] {
    const vector = this.#vectorizer.vector(text)
    if (vector.columns.length === 0) return []
    const confidence = shares(marginsOf(this.#model, vector), this.#temperature)
    return this.#model.labels.map((label, index) => ({ label, confidence: confidence[index]! })).toSorted((a, b) => b.confidence - a.confidence)
  }

  /**
   * Whether some label speaks for the text about as much as for texts of the kind that was learned from. Shares of
   * confidence add up to one for any text, also for one that is about something else altogether.
   */
  isFamiliar(text: string): boolean {
    return this.familiarity(text) >= this.#leastMargin
  }

  /** How much the label that speaks most for the text does so; comparable between texts. */
  familiarity(text: string): number {
    const vector = this.#vectorizer.vector(text)
    return vector.columns.length === 0 ? Number.NEGATIVE_INFINITY : Math.max(...marginsOf(this.#model, vector))
  }

  /** The words and pairs of words that spoke most for `label`, with what each added to its margin. */
  evidence(text: string, label: string, limit: number): { words: string; weight: number }[] {
    const weights = this.#model.weights[this.#model.labels.indexOf(label)]
    if (!weights) return []
    const words = wordsOf(text)
    const vector = this.#vectorizer.vector(text)
    const value = new Map([...vector.columns].map((column, index) => [column, vector.weights[index]!]))
    const candidates = new Set([...words, ...words.slice(1).map((word, index) => `${words[index]} ${word}`)])
    return [...candidates]
      .flatMap((words) => {
        const column = this.#vectorizer.columnOf(words)
        return column === undefined || !value.has(column) ? [] : [{ words, weight: weights[column]! * value.get(column)! }]
      })
      .filter(({ weight }) => weight > 0)
      .toSorted((a, b) => b.weight - a.weight)
      .slice(0, limit)
  }
}

/** Margins on rows that the model of their fold did not see. Rows are dealt to folds in turn within each label. */
async function holdOut(
  examples: readonly Example[],
  vectors: readonly SparseVector[],
  labels: readonly string[],
  size: number,
  breather: Breather,
  signal?: AbortSignal,
): Promise<HeldOut[]> {
  const dealt = new Map<string, number>()
  const foldOf = examples.map(({ label, seed }) => {
    if (seed) return -1
    const turn = dealt.get(label) ?? 0
    dealt.set(label, turn + 1)
    return turn % FOLDS
  })
  const folds = examples.length <= FULL_CROSS_VALIDATION_ROWS ? FOLDS : 1
  const heldOut: HeldOut[] = []
  for (let fold = 0; fold < folds; fold += 1) {
    const kept = [...examples.keys()].filter((row) => foldOf[row] !== fold)
    const model = await learnLinear(
      kept.map((row) => vectors[row]!),
      kept.map((row) => examples[row]!.label),
      size,
      breather,
      signal,
    )
    for (const row of examples.keys()) {
      if (foldOf[row] === fold) heldOut.push({ margins: spread(model, marginsOf(model, vectors[row]!), labels), truth: labels.indexOf(examples[row]!.label) })
    }
  }
  return heldOut
}

/** Margins in the order of all labels; a label that this fold never saw lies on the far side. */
function spread(model: LinearModel, margins: readonly number[], labels: readonly string[]): number[] {
  if (model.labels.length === labels.length) return [...margins]
  return labels.map((label) => margins[model.labels.indexOf(label)] ?? -1)
}

function leastMargin(heldOut: readonly HeldOut[]): number {
  const best = heldOut
    .filter(({ margins, truth }) => margins.indexOf(Math.max(...margins)) === truth)
    .map(({ margins }) => Math.max(...margins))
    .toSorted((a, b) => a - b)
  return best[Math.floor(best.length * FOREIGN_SHARE)] ?? Number.NEGATIVE_INFINITY
}

function accuracyBelow(heldOut: readonly HeldOut[], least: number): number {
  const foreign = heldOut.filter(({ margins }) => Math.max(...margins) < least)
  return foreign.length === 0 ? 0 : foreign.filter(({ margins, truth }) => margins.indexOf(Math.max(...margins)) === truth).length / foreign.length
}

function measure(heldOut: readonly HeldOut[], temperature: number): Measured {
  const judged: Judged[] = heldOut.map(({ margins, truth }) => {
    const confidence = shares(margins, temperature)
    const surest = confidence.indexOf(Math.max(...confidence))
    return { confidence: confidence[surest]!, right: surest === truth }
  })
  return { rows: judged.length, accuracy: judged.filter(({ right }) => right).length / judged.length, ece: calibrationError(judged) }
}
