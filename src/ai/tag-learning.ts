import { calibrationError, fitOwnShares, ownShare } from './calibration.ts'
import type { ClassifierData, Measured } from './learning.ts'
import { learnLinear, marginsOf } from './linear.ts'
import type { Sides } from './linear.ts'
import { rowAt, selectedRows } from './sparse.ts'
import type { SparseRows } from './sparse.ts'
import { Vectorizer } from './vectorizer.ts'

/** A text with all of its labels, of which there may be none. A seed (a label's own name) is learned from, never measured on. */
export interface Tagged {
  text: string
  labels: readonly string[]
  seed?: boolean
}

/** A label of fewer texts is not told apart; of more labels than that the commonest are. */
const MIN_TEXTS_OF_LABEL = 3
const MAX_LABELS = 100
/** Without so many held-out texts nothing is known of how sure a margin is: then no label is learned. */
const MIN_HELD_OUT = 20
/** Each text is held out once up to so many; above, one in five is. */
const FULL_CROSS_VALIDATION_ROWS = 600
const PARTS = 5

interface Shown {
  margins: Float64Array
  labels: ReadonlySet<number>
}

/** Learns one linear machine a label, and from held-out texts how likely a label is at a margin. Holds the thread. */
export function learnTags(examples: readonly Tagged[]): ClassifierData {
  const { vectorizer, rows } = Vectorizer.learn(examples.map(({ text }) => text))
  const labels = commonLabels(examples)
  const numbers = new Map(labels.map((label, number) => [label, number]))
  const having = examples.map((example) => new Set(example.labels.flatMap((label) => numbers.get(label) ?? [])))
  const shown = holdOut(rows, having, examples, labels.length)
  const nothing = { vocabulary: vectorizer.vocabulary, networks: [], networkShare: 0, leastMargin: Number.NEGATIVE_INFINITY, foreignAccuracy: 0 }
  if (shown.length < MIN_HELD_OUT || labels.length === 0) {
    return { ...nothing, labels: [], linear: { labels: 0, weights: new Float32Array() }, temperature: 1, offset: 0, measured: null }
  }
  const judged = shown.flatMap((one) => [...one.margins].map((margin, label) => ({ margin, right: one.labels.has(label) })))
  const fit = fitOwnShares(judged)
  return { ...nothing, labels, linear: learnLinear(rows, sidesIn(having), labels.length), ...fit, measured: measure(shown, fit) }
}

function commonLabels(examples: readonly Tagged[]): string[] {
  const counts = new Map<string, number>()
  for (const { labels, seed } of examples) if (!seed) for (const label of new Set(labels)) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts]
    .filter(([, count]) => count >= MIN_TEXTS_OF_LABEL)
    .toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, MAX_LABELS)
    .map(([label]) => label)
    .toSorted()
}

function sidesIn(having: readonly ReadonlySet<number>[]): Sides {
  return (label) => Int8Array.from(having, (labels) => (labels.has(label) ? 1 : -1))
}

/** What machines say of texts that they did not learn from. */
function holdOut(rows: SparseRows, having: readonly ReadonlySet<number>[], examples: readonly Tagged[], labels: number): Shown[] {
  let dealt = 0
  const partOf = examples.map(({ seed }) => (seed ? -1 : dealt++ % PARTS))
  const parts = dealt <= FULL_CROSS_VALIDATION_ROWS ? PARTS : 1
  if (dealt < MIN_HELD_OUT) return []
  return Array.from({ length: parts }, (_, part) => part).flatMap((part) => {
    const learned = [...partOf.keys()].filter((row) => partOf[row] !== part)
    const linear = learnLinear(selectedRows(rows, learned), sidesIn(learned.map((row) => having[row]!)), labels)
    return [...partOf.keys()]
      .filter((row) => partOf[row] === part)
      .map((row): Shown => ({ margins: marginsOf(linear, rowAt(rows, row)), labels: having[row]! }))
  })
}

/** Of the texts that have labels: how often the surest one is among them, and whether as often as it says. */
function measure(shown: readonly Shown[], fit: { temperature: number; offset: number }): Measured | null {
  const judged = shown
    .filter(({ labels }) => labels.size > 0)
    .map(({ margins, labels }) => {
      const highest = Math.max(...margins)
      return { confidence: ownShare(highest, fit), right: labels.has(margins.indexOf(highest)) }
    })
  if (judged.length === 0) return null
  return { rows: judged.length, accuracy: judged.filter(({ right }) => right).length / judged.length, ece: calibrationError(judged) }
}
