import { generator, shuffle } from './chance.ts'
import type { SparseRows, SparseVector } from './sparse.ts'

const HIDDEN = 192
/** Share of a text's words that each pass over it leaves out, so that no label hangs on one word. */
const DROPPED = 0.2
const RATE = 0.002
/** Steps that a set of any size needs, and how many more each row asks for. */
const LEAST_STEPS = 320
const STEPS_PER_ROW = 0.08
const MAX_EPOCHS = 40
const MANY_ROWS = 2_000
/** Gradients that matter less than this are left out: late in learning nearly all of 77 labels are. */
const NEGLIGIBLE = 1e-4
const [MOMENTUM, SPREAD, TINY] = [0.9, 0.999, 1e-8]

/** Stems, one hidden layer, labels. */
export interface Network {
  hidden: number
  labels: number
  /** For each stem its weights to the hidden units. */
  input: Float32Array
  inputBias: Float32Array
  /** For each hidden unit its weights to the labels. */
  output: Float32Array
  outputBias: Float32Array
}

/** Learns by Adam on small batches, the words' rows only where a batch has the word. Deterministic for a seed. */
export function learnNetwork(rows: SparseRows, stems: number, labelOf: Int32Array, labels: number, seed: number): Network {
  const chance = generator(seed)
  const network: Network = {
    hidden: HIDDEN,
    labels,
    input: normal(stems * HIDDEN, 0.075, chance),
    inputBias: new Float32Array(HIDDEN),
    output: normal(HIDDEN * labels, Math.sqrt(2 / (HIDDEN + labels)), chance),
    outputBias: new Float32Array(labels),
  }
  const batch = labelOf.length < MANY_ROWS ? 32 : 64
  const steps = Math.ceil(labelOf.length / batch)
  const epochs = Math.min(MAX_EPOCHS, Math.max(2, Math.round((LEAST_STEPS + STEPS_PER_ROW * labelOf.length) / steps)))
  const learner = new Learner(network, rows, stems, chance)
  const order = Int32Array.from(labelOf.keys())
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    shuffle(order, chance)
    for (let from = 0; from < order.length; from += batch) learner.step(order.subarray(from, from + batch), labelOf)
  }
  return network
}

/** What speaks for each label, on a scale of logarithms. */
export function scoresOf({ hidden, labels, input, inputBias, output, outputBias }: Network, stems: number, { columns, weights }: SparseVector): Float64Array {
  const units = Float32Array.from(inputBias)
  const factor = stemFactor(columns, weights, 0, columns.length, stems)
  for (let index = 0; index < columns.length; index += 1) {
    if (columns[index]! >= stems) continue
    const at = columns[index]! * hidden
    const value = weights[index]! * factor
    for (let unit = 0; unit < hidden; unit += 1) units[unit]! += value * input[at + unit]!
  }
  const scores = Float64Array.from(outputBias)
  for (let unit = 0; unit < hidden; unit += 1) {
    const value = units[unit]!
    if (value <= 0) continue
    for (let label = 0; label < labels; label += 1) scores[label]! += value * output[unit * labels + label]!
  }
  return scores
}

/** What makes the stems of a text alone have length one. */
function stemFactor(columns: Int32Array, weights: Float32Array, from: number, to: number, stems: number): number {
  let squares = 0
  for (let index = from; index < to; index += 1) if (columns[index]! < stems) squares += weights[index]! * weights[index]!
  return squares > 0 ? 1 / Math.sqrt(squares) : 0
}

function normal(length: number, deviation: number, chance: () => number): Float32Array {
  const values = new Float32Array(length)
  for (let index = 0; index < length; index += 1) values[index] = deviation * Math.sqrt(-2 * Math.log(chance() + 1e-12)) * Math.cos(2 * Math.PI * chance())
  return values
}

/** Parameters with their running moments. */
class Moving {
  readonly #values: Float32Array
  readonly #mean: Float32Array
  readonly #spread: Float32Array

  constructor(values: Float32Array) {
    this.#values = values
    this.#mean = new Float32Array(values.length)
    this.#spread = new Float32Array(values.length)
  }

  /** One step of Adam on `length` parameters from `at` on. */
  move(gradient: Float32Array, rate: number, at = 0, from = 0, length = this.#values.length): void {
    for (let index = 0; index < length; index += 1) {
      const slope = gradient[from + index]!
      const mean = (this.#mean[at + index]! += (1 - MOMENTUM) * (slope - this.#mean[at + index]!))
      const spread = (this.#spread[at + index]! += (1 - SPREAD) * (slope * slope - this.#spread[at + index]!))
      this.#values[at + index]! -= (rate * mean) / (Math.sqrt(spread) + TINY)
    }
  }
}

class Learner {
  readonly #network: Network
  readonly #rows: SparseRows
  readonly #stems: number
  readonly #chance: () => number
  readonly #moving: Record<'input' | 'inputBias' | 'output' | 'outputBias', Moving>
  readonly #outputSlope: Float32Array
  readonly #outputBiasSlope: Float32Array
  readonly #inputBiasSlope: Float32Array
  /** The slopes of the stems that the present batch has, and where each stem's begin. */
  #inputSlope = new Float32Array(1_024 * HIDDEN)
  readonly #places = new Map<number, number>()
  readonly #units: Float32Array
  readonly #unitSlope: Float32Array
  readonly #scores: Float32Array
  readonly #wrong: Int32Array
  #steps = 0

  constructor(network: Network, rows: SparseRows, stems: number, chance: () => number) {
    const { hidden, labels, input, inputBias, output, outputBias } = network
    this.#network = network
    this.#rows = rows
    this.#stems = stems
    this.#chance = chance
    this.#moving = { input: new Moving(input), inputBias: new Moving(inputBias), output: new Moving(output), outputBias: new Moving(outputBias) }
    this.#outputSlope = new Float32Array(hidden * labels)
    this.#outputBiasSlope = new Float32Array(labels)
    this.#inputBiasSlope = new Float32Array(hidden)
    this.#units = new Float32Array(hidden)
    this.#unitSlope = new Float32Array(hidden)
    this.#scores = new Float32Array(labels)
    this.#wrong = new Int32Array(labels)
  }

  step(batch: Int32Array, labelOf: Int32Array): void {
    this.#places.clear()
    for (const slope of [this.#outputSlope, this.#outputBiasSlope, this.#inputBiasSlope]) slope.fill(0)
    for (const row of batch) this.#learn(row, labelOf[row]!, 1 / batch.length)
    this.#steps += 1
    const rate = (RATE * Math.sqrt(1 - SPREAD ** this.#steps)) / (1 - MOMENTUM ** this.#steps)
    const { hidden } = this.#network
    for (const [column, place] of this.#places) this.#moving.input.move(this.#inputSlope, rate, column * hidden, place * hidden, hidden)
    this.#moving.inputBias.move(this.#inputBiasSlope, rate)
    this.#moving.output.move(this.#outputSlope, rate)
    this.#moving.outputBias.move(this.#outputBiasSlope, rate)
  }

  #learn(row: number, label: number, share: number): void {
    const { hidden, labels, input, inputBias, output, outputBias } = this.#network
    const { starts, columns, weights } = this.#rows
    const [from, to] = [starts[row]!, starts[row + 1]!]
    const factor = stemFactor(columns, weights, from, to, this.#stems) / (1 - DROPPED)
    const [units, scores, slope, wrong] = [this.#units, this.#scores, this.#unitSlope, this.#wrong]
    const seen: [column: number, value: number][] = []
    units.set(inputBias)
    for (let index = from; index < to; index += 1) {
      const column = columns[index]!
      if (column >= this.#stems || this.#chance() < DROPPED) continue
      const value = weights[index]! * factor
      seen.push([column, value])
      for (let unit = 0, at = column * hidden; unit < hidden; unit += 1) units[unit]! += value * input[at + unit]!
    }
    scores.set(outputBias)
    for (let unit = 0; unit < hidden; unit += 1) {
      const value = units[unit]!
      if (value <= 0) continue
      for (let other = 0, at = unit * labels; other < labels; other += 1) scores[other]! += value * output[at + other]!
    }
    softmax(scores)
    scores[label]! -= 1
    let wrongs = 0
    for (let other = 0; other < labels; other += 1) {
      if (Math.abs(scores[other]!) < NEGLIGIBLE) continue
      scores[other]! *= share
      this.#outputBiasSlope[other]! += scores[other]!
      wrong[wrongs] = other
      wrongs += 1
    }
    for (let unit = 0; unit < hidden; unit += 1) {
      const value = units[unit]!
      slope[unit] = 0
      if (value <= 0) continue
      let sum = 0
      for (let index = 0, at = unit * labels; index < wrongs; index += 1) {
        const other = wrong[index]!
        sum += scores[other]! * output[at + other]!
        this.#outputSlope[at + other]! += scores[other]! * value
      }
      slope[unit] = sum
      this.#inputBiasSlope[unit]! += sum
    }
    for (const [column, value] of seen) {
      const at = this.#placeOf(column) * hidden
      for (let unit = 0; unit < hidden; unit += 1) this.#inputSlope[at + unit]! += value * slope[unit]!
    }
  }

  #placeOf(column: number): number {
    const known = this.#places.get(column)
    if (known !== undefined) return known
    const place = this.#places.size
    this.#places.set(column, place)
    const { hidden } = this.#network
    if ((place + 1) * hidden > this.#inputSlope.length) {
      const larger = new Float32Array(2 * this.#inputSlope.length)
      larger.set(this.#inputSlope)
      this.#inputSlope = larger
    }
    this.#inputSlope.fill(0, place * hidden, (place + 1) * hidden)
    return place
  }
}

function softmax(scores: Float32Array): void {
  let highest = Number.NEGATIVE_INFINITY
  for (const score of scores) if (score > highest) highest = score
  let sum = 0
  for (let label = 0; label < scores.length; label += 1) sum += scores[label] = Math.exp(scores[label]! - highest)
  for (let label = 0; label < scores.length; label += 1) scores[label]! /= sum
}
