import { wordsOf } from './features.ts'

const SENTENCES_MAX = 400
const SENTENCE_CHARS = 400
const WORDS_MIN = 3
const SUMMARY_SENTENCES = 2
const POINTS = 5
/** Two sentences that share more of their words than this say the same. */
const SAME = 0.5

/** A thread in its own words: sentences that share most with the rest of it, in the order in which they were said. */
export interface Digest {
  summary: string
  key_points: string[]
}

interface Sentence {
  at: number
  text: string
  words: Set<string>
  weight: number
}

/**
 * What a thread is about. Nothing is made up: each sentence is one of the thread's, chosen by how many others hold its
 * words (the rarest and the commonest of which count little), and none repeats another. Pure.
 */
export function digestOf(texts: readonly string[]): Digest {
  const sentences = texts.flatMap(sentencesOf).slice(0, SENTENCES_MAX)
  const spread = new Map<string, number>()
  for (const { words } of sentences) for (const word of words) spread.set(word, (spread.get(word) ?? 0) + 1)
  const most = sentences.length / 2
  const weighed = sentences.map(({ text, words }, at): Sentence => {
    const shared = [...words].map((word) => spread.get(word)! - 1).map((others) => (others > most ? 0 : others))
    const sum = shared.reduce((total, each) => total + each, 0)
    // What is said first is most often what it is about.
    return { at, text, words, weight: sum / Math.sqrt(words.size) + 1 / (1 + at) }
  })
  const chosen: Sentence[] = []
  for (const sentence of weighed.toSorted((one, other) => other.weight - one.weight || one.at - other.at)) {
    if (chosen.length === POINTS) break
    if (!chosen.some((each) => likeness(each.words, sentence.words) > SAME)) chosen.push(sentence)
  }
  const inOrder = (some: Sentence[]): string[] => some.toSorted((one, other) => one.at - other.at).map(({ text }) => text)
  return { summary: inOrder(chosen.slice(0, SUMMARY_SENTENCES)).join(' '), key_points: inOrder(chosen) }
}

function sentencesOf(text: string): { text: string; words: Set<string> }[] {
  const parts = new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text)
  const trimmed = [...parts].flatMap(({ segment }) => segment.split('\n')).map((line) => line.trim().slice(0, SENTENCE_CHARS).toWellFormed())
  const read = trimmed.map((line) => ({ text: line, words: new Set(wordsOf(line)) }))
  const whole = read.filter(({ words }) => words.size >= WORDS_MIN)
  return whole.length > 0 ? whole : read.filter(({ words }) => words.size > 0)
}

function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  const shared = [...one].filter((word) => other.has(word)).length
  return shared / Math.min(one.size, other.size)
}
