import { generator } from './chance.ts'

/** Values are cut into so many bins a column; bin 0 holds what is missing. */
const BINS = 64
const CUT_SAMPLE = 20_000

/** One tree as flat lists; node 0 is its root. A leaf has no column, and its value. */
export interface Tree {
  column: number[]
  /** Values up to here go left. */
  cut: number[]
  /** 1 where what is missing goes left. */
  missingLeft: number[]
  left: number[]
  right: number[]
  value: number[]
}

/** A sum of trees: the logit of a probability, or a plain number where it was fitted to numbers. */
export interface BoostedTrees {
  base: number
  trees: Tree[]
}

export interface BoostingOptions {
  objective: 'probability' | 'number'
  rounds: number
  depth: number
  rate: number
  /** Shares of rows and columns that each tree sees. */
  rows: number
  columns: number
  /** Weighs against large leaf values. */
  lambda: number
  /** Least sum of second derivatives in a leaf. */
  leastWeight: number
  seed: number
}

/** Columns of numbers, NaN where a value is missing; all of one length. */
export type Columns = readonly Float64Array[]

/** What the trees say of one row. */
export function predictRow({ base, trees }: BoostedTrees, row: readonly number[] | Float64Array): number {
  let sum = base
  for (const tree of trees) sum += leafValue(tree, (column) => row[column]!)
  return sum
}

/** The sums after each round for rows that were held out, so that one can see where more trees stop helping. */
export function stagedPredictions({ base, trees }: BoostedTrees, columns: Columns, watch: (round: number, sums: Float64Array) => void): void {
  const sums = new Float64Array(columns[0]!.length).fill(base)
  for (const [round, tree] of trees.entries()) {
    for (let row = 0; row < sums.length; row += 1) sums[row]! += leafValue(tree, (column) => columns[column]![row]!)
    watch(round + 1, sums)
  }
}

function leafValue({ column, cut, missingLeft, left, right, value }: Tree, valueOf: (column: number) => number): number {
  let node = 0
  while (column[node]! >= 0) {
    const at = valueOf(column[node]!)
    const goesLeft = Number.isNaN(at) ? missingLeft[node] === 1 : at <= cut[node]!
    node = goesLeft ? left[node]! : right[node]!
  }
  return value[node]!
}

/**
 * Gradient boosting over histograms of second order (Chen and Guestrin 2016): each tree is fitted to the first and second
 * derivatives of the loss of what the trees before it say. Deterministic by its seed.
 */
export function boost(columns: Columns, targets: Float64Array, options: BoostingOptions): BoostedTrees {
  const rows = targets.length
  const chance = generator(options.seed)
  const cuts = columns.map((column) => cutsOf(column))
  const bins = columns.map((column, index) => binsOf(column, cuts[index]!))
  const mean = targets.reduce((sum, target) => sum + target, 0) / Math.max(1, rows)
  const base = options.objective === 'number' ? mean : logit(Math.min(0.999, Math.max(0.001, mean)))
  const sums = new Float64Array(rows).fill(base)
  const gradients = new Float64Array(rows)
  const weights = new Float64Array(rows)
  const trees: Tree[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    derive(options.objective, sums, targets, gradients, weights)
    const sample = Int32Array.from({ length: rows }, (_, row) => row).filter(() => chance() < options.rows)
    const shown = [...columns.keys()].filter(() => chance() < options.columns)
    if (sample.length === 0 || shown.length === 0) continue
    const tree = new Grower({ bins, cuts, gradients, weights, shown, options }).grow(sample)
    trees.push(tree)
    for (let row = 0; row < rows; row += 1) sums[row]! += leafValue(tree, (column) => columns[column]![row]!)
  }
  return { base, trees }
}

export const logit = (share: number): number => Math.log(share / (1 - share))
export const logistic = (sum: number): number => 1 / (1 + Math.exp(-sum))

function derive(objective: BoostingOptions['objective'], sums: Float64Array, targets: Float64Array, gradients: Float64Array, weights: Float64Array): void {
  for (let row = 0; row < sums.length; row += 1) {
    const said = objective === 'number' ? sums[row]! : logistic(sums[row]!)
    gradients[row] = said - targets[row]!
    weights[row] = objective === 'number' ? 1 : Math.max(1e-6, said * (1 - said))
  }
}

/** Upper bounds of the bins, so that each holds about as many rows. */
function cutsOf(column: Float64Array): Float64Array {
  const step = Math.max(1, Math.floor(column.length / CUT_SAMPLE))
  const known = column.filter((value, row) => row % step === 0 && !Number.isNaN(value)).toSorted()
  const cuts = new Set<number>()
  for (let bin = 1; bin < BINS - 1 && known.length > 0; bin += 1) cuts.add(known[Math.min(known.length - 1, Math.floor((bin * known.length) / (BINS - 1)))]!)
  return Float64Array.from(cuts)
}

function binsOf(column: Float64Array, cuts: Float64Array): Uint8Array {
  return Uint8Array.from(column, (value) => {
    if (Number.isNaN(value)) return 0
    let [low, high] = [0, cuts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (value <= cuts[middle]!) high = middle
      else low = middle + 1
    }
    return low + 1
  })
}

interface GrowerInput {
  bins: readonly Uint8Array[]
  cuts: readonly Float64Array[]
  gradients: Float64Array
  weights: Float64Array
  shown: readonly number[]
  options: BoostingOptions
}

interface Split {
  gain: number
  column: number
  /** The last bin that goes left. */
  bin: number
  missingLeft: boolean
}

/** Grows one tree, level by level; a node is a stretch of the sample, whose rows are put in order as it is split. */
class Grower {
  readonly #input: GrowerInput
  readonly #tree: Tree = { column: [], cut: [], missingLeft: [], left: [], right: [], value: [] }

  constructor(input: GrowerInput) {
    this.#input = input
  }

  grow(sample: Int32Array): Tree {
    this.#node(sample, this.#histogram(sample), 0)
    return this.#tree
  }

  #node(rows: Int32Array, histogram: Float64Array, depth: number): number {
    const node = this.#tree.column.length
    const [gradient, weight] = this.#totals(histogram)
    const { lambda, rate } = this.#input.options
    for (const list of [this.#tree.cut, this.#tree.missingLeft, this.#tree.left, this.#tree.right]) list.push(0)
    this.#tree.column.push(-1)
    this.#tree.value.push((-rate * gradient) / (weight + lambda))
    const split = depth < this.#input.options.depth ? this.#bestSplit(histogram, gradient, weight) : null
    if (!split) return node
    const [left, right] = this.#divide(rows, split)
    // Only the smaller half is counted: the other one is what is left of the parent.
    const smaller = this.#histogram(left.length < right.length ? left : right)
    const larger = histogram.map((value, index) => value - smaller[index]!)
    this.#tree.column[node] = split.column
    this.#tree.cut[node] = this.#input.cuts[split.column]![split.bin - 1] ?? Number.NEGATIVE_INFINITY
    this.#tree.missingLeft[node] = split.missingLeft ? 1 : 0
    this.#tree.left[node] = this.#node(left, left.length < right.length ? smaller : larger, depth + 1)
    this.#tree.right[node] = this.#node(right, left.length < right.length ? larger : smaller, depth + 1)
    return node
  }

  #histogram(rows: Int32Array): Float64Array {
    const { bins, gradients, weights, shown } = this.#input
    const histogram = new Float64Array(shown.length * BINS * 2)
    for (const [index, column] of shown.entries()) {
      const bin = bins[column]!
      const start = index * BINS * 2
      for (let at = 0; at < rows.length; at += 1) {
        const row = rows[at]!
        const slot = start + bin[row]! * 2
        histogram[slot]! += gradients[row]!
        histogram[slot + 1]! += weights[row]!
      }
    }
    return histogram
  }

  #totals(histogram: Float64Array): [number, number] {
    let [gradient, weight] = [0, 0]
    for (let slot = 0; slot < BINS * 2; slot += 2) {
      gradient += histogram[slot]!
      weight += histogram[slot + 1]!
    }
    return [gradient, weight]
  }

  #bestSplit(histogram: Float64Array, gradient: number, weight: number): Split | null {
    const { lambda, leastWeight } = this.#input.options
    const score = (g: number, h: number): number => (g * g) / (h + lambda)
    const parent = score(gradient, weight)
    let best: Split | null = null
    for (const [index, column] of this.#input.shown.entries()) {
      const start = index * BINS * 2
      const [missingGradient, missingWeight] = [histogram[start]!, histogram[start + 1]!]
      let [leftGradient, leftWeight] = [0, 0]
      for (let bin = 1; bin <= this.#input.cuts[column]!.length; bin += 1) {
        leftGradient += histogram[start + bin * 2]!
        leftWeight += histogram[start + bin * 2 + 1]!
        for (const missingLeft of missingWeight > 0 ? [true, false] : [true]) {
          const g = leftGradient + (missingLeft ? missingGradient : 0)
          const h = leftWeight + (missingLeft ? missingWeight : 0)
          if (h < leastWeight || weight - h < leastWeight) continue
          const gain = score(g, h) + score(gradient - g, weight - h) - parent
          if (gain > (best?.gain ?? 1e-6)) best = { gain, column, bin, missingLeft }
        }
      }
    }
    return best
  }

  #divide(rows: Int32Array, { column, bin, missingLeft }: Split): [Int32Array, Int32Array] {
    const bins = this.#input.bins[column]!
    const goesLeft = (row: number): boolean => (bins[row] === 0 ? missingLeft : bins[row]! <= bin)
    return [rows.filter((row) => goesLeft(row)), rows.filter((row) => !goesLeft(row))]
  }
}
