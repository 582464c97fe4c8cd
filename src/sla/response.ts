/** What was said on a ticket, as far as a response clock cares. Instants are milliseconds since 1970. */
export interface Utterance {
  kind: 'customer_message' | 'public_reply' | 'internal_note' | 'auto_reply'
  at: number
}

/** From when a response is owed, and when it came. */
export interface Owed {
  start: number
  fulfilled_at: number | null
}

/** First response: owed from `start`, given by the first public message of a human agent and by nothing else. */
export function firstResponse(start: number, said: readonly Utterance[]): Owed {
  const reply = inOrder(said).find(({ kind, at }) => kind === 'public_reply' && at >= start)
  return { start, fulfilled_at: reply?.at ?? null }
}

/**
 * Next response: owed from the oldest unanswered customer message once the first response was given; later messages do
 * not reset it. The last one that was owed, or null where none ever was.
 */
export function nextResponse(said: readonly Utterance[]): Owed | null {
  let owed = null as Owed | null
  let answered = false
  for (const { kind, at } of inOrder(said)) {
    if (kind === 'public_reply') {
      answered = true
      if (owed && owed.fulfilled_at === null) owed = { ...owed, fulfilled_at: at }
    }
    if (kind === 'customer_message' && answered && (!owed || owed.fulfilled_at !== null)) owed = { start: at, fulfilled_at: null }
  }
  return owed
}

function inOrder(said: readonly Utterance[]): Utterance[] {
  return said.toSorted((a, b) => a.at - b.at)
}
