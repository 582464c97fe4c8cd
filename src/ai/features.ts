/** Beyond this a text adds cost, not meaning. */
const MAX_CHARS = 6_000
const MIN_GRAM = 2
const MAX_GRAM = 5
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const WORD_SEED = 0x57
const CHAR_SEED = 0x43

/** Counts of hashed terms: words and pairs of words in one block, character n-grams within words in the other. */
export interface TermCounts {
  words: Map<number, number>
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

export function countTerms(text: string): TermCounts {
  const words = wordsOf(text)
  const counts: TermCounts = { words: new Map(), chars: new Map() }
  for (const [index, word] of words.entries()) {
    add(counts.words, wordHash(word))
    if (index > 0) add(counts.words, wordHash(`${words[index - 1]} ${word}`))
    countGrams(` ${word} `, counts.chars)
  }
  return counts
}

/** The id under which a word, or two words with a space between them, is counted. */
export function wordHash(words: string): number {
  let hash = FNV_OFFSET ^ WORD_SEED
  for (let index = 0; index < words.length; index += 1) hash = Math.imul(hash ^ words.charCodeAt(index), FNV_PRIME)
  return hash >>> 0
}

/** Every n-gram's hash grows out of the shorter one's, so that no substring is made. */
function countGrams(padded: string, into: Map<number, number>): void {
  for (let start = 0; start < padded.length; start += 1) {
    let hash = FNV_OFFSET ^ CHAR_SEED
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
