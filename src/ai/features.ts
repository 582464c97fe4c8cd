import { stemmer } from 'stemmer'

/** Beyond this a text adds cost, not meaning. */
const MAX_CHARS = 6_000
const MIN_GRAM = 3
const MAX_GRAM = 5
/** How many places apart the stems of a loose pair are. */
const [MIN_APART, MAX_APART] = [2, 4]
const FNV_PRIME = 0x01000193
/** Seeds that differ in all bits: where they differ in one character's, "card" as a word would be "ward" as an n-gram. */
const WORD_SEED = 0x811c9dc5
const CHAR_SEED = 0x1b873593
/** Stems that are kept so that a word is stemmed once; emptied when full. */
const MAX_STEMS = 50_000

/** Counts of hashed terms: the stems of words, pairs of neighbouring stems, character n-grams within words, and stems that stand near each other, in either order. */
export interface TermCounts {
  stems: Map<number, number>
  pairs: Map<number, number>
  chars: Map<number, number>
  loose: Map<number, number>
}

/** The words of a text: letters and digits of any script, lower case, compatibility forms folded. */
export function wordsOf(text: string): string[] {
  return (
    text
      .slice(0, MAX_CHARS)
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  )
}

const stems = new Map<string, string>()

/** What the forms of a word have in common. */
export function stemOf(word: string): string {
  const known = stems.get(word)
  if (known !== undefined) return known
  if (stems.size >= MAX_STEMS) stems.clear()
  const stem = stemmer(word)
  stems.set(word, stem)
  return stem
}

/** @param loosely whether stems that stand near each other are counted too */
export function countTerms(text: string, loosely: boolean): TermCounts {
  const counts: TermCounts = { stems: new Map(), pairs: new Map(), chars: new Map(), loose: new Map() }
  const before: string[] = []
  for (const word of wordsOf(text)) {
    const stem = stemOf(word)
    add(counts.stems, wordHash(stem))
    if (before.length > 0) add(counts.pairs, wordHash(`${before.at(-1)!} ${stem}`))
    for (let apart = MIN_APART; loosely && apart <= Math.min(MAX_APART, before.length); apart += 1) {
      const other = before.at(-apart)!
      add(counts.loose, wordHash(other < stem ? `${other}~${stem}` : `${stem}~${other}`))
    }
    before.push(stem)
    countGrams(` ${word} `, counts.chars)
  }
  return counts
}

/** The id under which a stem is counted, or two with a space (neighbours) or a tilde (a loose pair) between them. */
export function wordHash(words: string): number {
  let hash = WORD_SEED
  for (let index = 0; index < words.length; index += 1) hash = Math.imul(hash ^ words.charCodeAt(index), FNV_PRIME)
  return hash >>> 0
}

/** Every n-gram's hash grows out of the shorter one's, so that no substring is made. */
function countGrams(padded: string, into: Map<number, number>): void {
  for (let start = 0; start < padded.length; start += 1) {
    let hash = CHAR_SEED
    const end = Math.min(padded.length, start + MAX_GRAM)
    for (let index = start; index < end; index += 1) {
      hash = Math.imul(hash ^ padded.charCodeAt(index), FNV_PRIME)
      if (index - start + 1 >= MIN_GRAM) add(into, hash >>> 0)
    }
  }
}

function add(counts: Map<number, number>, id: number): void {
  counts.set(id, (counts.get(id) ?? 0) + 1)
}
