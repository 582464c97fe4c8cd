import { languageOf, searchTerms } from './language.ts'

const MAX_PASSAGE_CHARS = 700

/** The paragraphs of a text, short ones together and long ones cut at sentences, each word for word as it stands there. */
export function passagesOf(text: string, maxChars = MAX_PASSAGE_CHARS): string[] {
  const passages: string[] = []
  let start = -1
  let end = 0
  /** Whether a line has just ended, and nothing but space since. */
  let atLineStart = false
  const close = (): void => {
    if (start >= 0) passages.push(text.slice(start, end).trim())
    start = -1
  }
  for (const piece of text.matchAll(/[^\n]*?(?:[.!?](?=\s)|\n|$)/g)) {
    const endsLine = piece[0].endsWith('\n')
    if (piece[0].trim() === '') {
      if (piece[0] === '\n' && atLineStart) close()
      atLineStart ||= endsLine
      continue
    }
    atLineStart = endsLine
    const pieceEnd = piece.index + piece[0].length
    if (start >= 0 && pieceEnd - start > maxChars) close()
    if (start < 0) start = piece.index
    end = pieceEnd
  }
  close()
  return passages.flatMap((passage) => (passage.length <= maxChars ? [passage] : pieces(passage, maxChars)))
}

/** The passage that says most about the query: the share of the query's terms that it has, the earlier one where two are alike. */
export function bestPassage(text: string, query: string, maxChars = MAX_PASSAGE_CHARS): { passage: string; share: number } | null {
  const language = languageOf(text)
  const wanted = new Set(searchTerms(query, language))
  let best: { passage: string; share: number } | null = null
  for (const passage of passagesOf(text, maxChars)) {
    const terms = new Set(searchTerms(passage, language))
    const share = [...wanted].filter((term) => terms.has(term)).length / Math.max(1, wanted.size)
    if (!best || share > best.share) best = { passage, share }
  }
  return best
}

function pieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size).trim()).filter(Boolean)
}
