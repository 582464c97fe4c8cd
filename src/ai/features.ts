import { stemmer } from 'stemmer'

/** Beyond this a text adds cost, not meaning. */
const MAX_CHARS = 6_000
const MIN_GRAM = 3
const MAX_GRAM = 5
const FNV_PRIME = 0x01000193
/** Seeds that differ in all bits: where they differ in one character's, "card" as a word would be "ward" as an n-gram. */
const WORD_SEED = 0x811c9dc5
const CHAR_SEED = 0x1b873593
/** Stems that are kept so that a word is stemmed once; emptied when full. */
const MAX_STEMS = 50_000

/** Counts of hashed terms: the stems of words, pairs of neighbouring stems, and character n-grams within words. */
export interface TermCounts {
  stems: Map<number, number>
  pairs: Map<number, number>
  chars: Map<number, number>
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

export function countTerms(text: string): TermCounts {
  const counts: TermCounts = { stems: new Map(), pairs: new Map(), chars: new Map() }
  let before: string | null = null
  for (const word of wordsOf(text)) {
    const stem = stemOf(word)
    add(counts.stems, wordHash(stem))
    if (before !== null) add(counts.pairs, wordHash(`${before} ${stem}`))
    before = stem
    countGrams(` ${word} `, counts.chars)
  }
  return counts
}

/** The id under which a stem, or two stems with a space between them, is counted. */
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
