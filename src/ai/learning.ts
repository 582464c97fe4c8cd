import { calibrationError, fitLevels, fitTemperature, shares } from './calibration.ts'
import type { HeldOut, Judged, Levels } from './calibration.ts'
import { learnLinear, learnRatios, marginsOf, mixed, sidesOf, stretch } from './linear.ts'
import type { LinearModel } from './linear.ts'
import { learnNetwork, scoresOf } from './network.ts'
import type { Network } from './network.ts'
import { rowAt, selectedRows } from './sparse.ts'
import type { SparseRows, SparseVector } from './sparse.ts'
import { Vectorizer } from './vectorizer.ts'
import type { Vocabulary } from './vectorizer.ts'

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

/** Everything that a classifier knows, as plain values that go to another thread and into the database. */
export interface ClassifierData {
  labels: string[]
  vocabulary: Vocabulary
  linear: LinearModel
  networks: Network[]
  /** How much the networks say beside the linear machines. */
  networkShare: number
  temperature: number
  /** Where a text may have several labels: what is added to each one's margin before its own probability is taken. Null: it has one. */
  offset: number | null
  /** A text is foreign where its best margin lies below this. */
  leastMargin: number
  /** How often the best label was right for held-out texts that are foreign; 0 where there were none. */
  foreignAccuracy: number
  measured: Measured | null
}

/** With fewer measured rows than this a temperature would follow chance. */
const MIN_HELD_OUT = 20
/** A little flatter than the 0.11 to 0.25 that fitting finds, because small sets come out too sure of themselves. */
const COLD_TEMPERATURE = 0.3
/** Every row is held out once up to here; above, one in five is. */
const FULL_CROSS_VALIDATION_ROWS = 600
const [FOLDS, PARTS] = [3, 5]
const FOREIGN_SHARE = 0.1
/** The likeliest of these on held-out rows is taken; few rows of many labels like 0.3, many rows of few labels none. */
const NETWORK_SHARES = [0, 0.05, 0.1, 0.2, 0.3]
/** The likeliest of these is taken for machines over ratios, too: moods like them alone, tickets of few queues half and half. */
const RATIO_SHARES = [0, 0.5, 1]
/** Up to so many labels ratios and loose pairs are learned from; with more they cost more time than they are worth. */
const MAX_FEW_LABELS = 20
/** So many held-out rows a label say by how much each label's own margins are to be stretched and raised. */
const MIN_ROWS_OF_LEVELS = 50
/** Networks begun from different seeds err differently; with many rows one says what three do. */
const [FEW_ROWS, NETWORKS_OF_FEW] = [1_500, 3]

/**
 * Learns a classifier: stems, pairs and n-grams; linear machines, and small networks where they are asked for; a temperature
 * from held-out rows. Holds the thread.
 */
export function learnClassifier(examples: readonly Example[], { networks: wantsNetworks }: { networks: boolean } = { networks: true }): ClassifierData {
  const labels = [...new Set(examples.map(({ label }) => label))].toSorted()
  const { vectorizer, rows } = Vectorizer.learn(
    examples.map(({ text }) => text),
    labels.length <= MAX_FEW_LABELS,
  )
  const numbers = new Map(labels.map((label, number) => [label, number]))
  const labelOf = Int32Array.from(examples, ({ label }) => numbers.get(label)!)
  const set = {
    rows,
    labelOf,
    labels: labels.length,
    stems: vectorizer.vocabulary.stems,
    networks: wantsNetworks,
  }
  const heldOut = holdOut(set, examples)
  const fit = heldOut.length < MIN_HELD_OUT ? { ratioShare: 0, networkShare: 0, temperature: COLD_TEMPERATURE } : fitShares(heldOut)
  const levels = heldOut.length < MIN_ROWS_OF_LEVELS * labels.length ? null : fitLevels(withNetworks(heldOut, fit), fit.temperature)
  const linear = linearOf(set, fit.ratioShare)
  if (levels) stretch(linear, levels)
  const networks = fit.networkShare > 0 ? networksOf(set, examples.length <= FEW_ROWS ? NETWORKS_OF_FEW : 1) : []
  const { ratioShare, ...shares } = fit
  const known = { labels, vocabulary: vectorizer.vocabulary, linear, networks, offset: null, ...shares }
  if (heldOut.length < MIN_HELD_OUT) return { ...known, leastMargin: Number.NEGATIVE_INFINITY, foreignAccuracy: 0, measured: null }
  const plain = together(heldOut, { ratioShare, networkShare: 0 }, levels)
  const leastMargin = leastMarginOf(plain)
  return { ...known, leastMargin, foreignAccuracy: accuracyBelow(plain, leastMargin), measured: measure(together(heldOut, fit, levels), fit.temperature) }
}

/** What the linear machines and the networks say of a text, and both together. */
export function logitsOf(
  { linear, networks, networkShare, vocabulary }: Pick<ClassifierData, 'linear' | 'networks' | 'networkShare' | 'vocabulary'>,
  vector: SparseVector,
): { margins: Float64Array; logits: Float64Array } {
  const margins = marginsOf(linear, vector)
  if (networks.length === 0) return { margins, logits: margins }
  const opinions = opinionsOf(networks, vocabulary.stems, vector)
  return { margins, logits: margins.map((margin, label) => margin + networkShare * opinions[label]!) }
}

interface Set {
  rows: SparseRows
  labelOf: Int32Array
  labels: number
  stems: number
  networks: boolean
}

interface HeldOutRow extends HeldOut {
  /** What the machines over ratios say; null where there are none. */
  ratios: number[] | null
  /** What the networks say; null where there are none. */
  opinions: number[] | null
}

/** What models say of rows that they did not learn from. Rows are dealt to parts in turn within each label. */
function holdOut(set: Set, examples: readonly Example[]): HeldOutRow[] {
  const small = examples.length <= FULL_CROSS_VALIDATION_ROWS
  const dealt = new Int32Array(set.labels)
  const partOf = examples.map(({ seed }, row) => (seed ? -1 : dealt[set.labelOf[row]!]!++ % (small ? FOLDS : PARTS)))
  const counted = partOf.filter((part) => part >= 0).length
  if (counted < MIN_HELD_OUT) return []
  return Array.from({ length: small ? FOLDS : 1 }, (_, part) => part).flatMap((part) => {
    const learned = [...partOf.keys()].filter((row) => partOf[row] !== part)
    const rows = selectedRows(set.rows, learned)
    const labelOf = Int32Array.from(learned, (row) => set.labelOf[row]!)
    const rest = { ...set, rows, labelOf }
    const [linear, ratios] = [linearOf(rest, 0), set.labels <= MAX_FEW_LABELS ? linearOf(rest, 1) : null]
    const networks = set.networks ? networksOf(rest, 1) : null
    return [...partOf.keys()]
      .filter((row) => partOf[row] === part)
      .map((row): HeldOutRow => {
        const vector = rowAt(set.rows, row)
        return {
          margins: [...marginsOf(linear, vector)],
          ratios: ratios && [...marginsOf(ratios, vector)],
          opinions: networks && [...opinionsOf(networks, set.stems, vector)],
          truth: set.labelOf[row]!,
        }
      })
  })
}

function linearOf({ rows, labelOf, labels }: Set, ratioShare: number): LinearModel {
  if (ratioShare === 0) return learnLinear(rows, sidesOf(labelOf), labels)
  const ratios = learnRatios(rows, sidesOf(labelOf), labels)
  return ratioShare === 1 ? ratios : mixed(learnLinear(rows, sidesOf(labelOf), labels), ratios, ratioShare)
}

function networksOf({ rows, stems, labelOf, labels }: Set, count: number): Network[] {
  return Array.from({ length: count }, (_, seed) => learnNetwork(rows, stems, labelOf, labels, seed + 1))
}

/** The mean of the networks' logarithms of probability. */
function opinionsOf(networks: readonly Network[], stems: number, vector: SparseVector): Float64Array {
  const opinions = new Float64Array(networks[0]!.labels)
  for (const network of networks) {
    const scores = scoresOf(network, stems, vector)
    const highest = Math.max(...scores)
    const level = highest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0))
    for (let label = 0; label < opinions.length; label += 1) opinions[label]! += (scores[label]! - level) / networks.length
  }
  return opinions
}

interface Shares {
  ratioShare: number
  networkShare: number
}

/** What the machines say of held-out rows, and what is added of the networks. */
function withNetworks(heldOut: readonly HeldOutRow[], { ratioShare, networkShare }: Shares): (HeldOut & { beside: number[] })[] {
  return heldOut.map(({ margins, ratios, opinions, truth }) => ({
    margins: margins.map((margin, label) => (1 - ratioShare) * margin + ratioShare * (ratios?.[label] ?? 0)),
    beside: margins.map((_, label) => networkShare * (opinions?.[label] ?? 0)),
    truth,
  }))
}

function together(heldOut: readonly HeldOutRow[], shares: Shares, levels: Levels | null = null): HeldOut[] {
  return withNetworks(heldOut, shares).map(({ margins, beside, truth }) => ({
    margins: margins.map((margin, label) => (levels ? levels.slopes[label]! * margin + levels.offsets[label]! : margin) + beside[label]!),
    truth,
  }))
}

function fitShares(heldOut: readonly HeldOutRow[]): { ratioShare: number; networkShare: number; temperature: number } {
  const [first] = heldOut
  const tried = (first!.ratios ? RATIO_SHARES : [0]).flatMap((ratioShare) =>
    (first!.opinions ? NETWORK_SHARES : [0]).map((networkShare) => ({
      ratioShare,
      networkShare,
      ...fitTemperature(together(heldOut, { ratioShare, networkShare })),
    })),
  )
  const { loss: _loss, ...best } = tried.reduce((least, next) => (next.loss < least.loss ? next : least))
  return best
}

function leastMarginOf(heldOut: readonly HeldOut[]): number {
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
