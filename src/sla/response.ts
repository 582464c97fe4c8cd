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

/**
 * First response: owed from `start`, given by the first public message of a human agent and by nothing else. One that
 * came before the clock began fulfils it as it begins.
 */
export function firstResponse(start: number, said: readonly Utterance[]): Owed {
  const reply = inOrder(said).find(({ kind }) => kind === 'public_reply')
  return { start, fulfilled_at: reply ? Math.max(start, reply.at) : null }
}

/**
 * Next response: owed from the oldest unanswered customer message once the first response was given; later messages do
 * not reset it. Every one that was owed, the first one first.
 */
export function nextResponses(said: readonly Utterance[]): Owed[] {
  const owed: Owed[] = []
  let answered = false
  for (const { kind, at } of inOrder(said)) {
    const open = owed.at(-1)?.fulfilled_at === null ? owed.at(-1)! : null
    if (kind === 'public_reply') {
      answered = true
      if (open) open.fulfilled_at = at
    }
    if (kind === 'customer_message' && answered && !open) owed.push({ start: at, fulfilled_at: null })
  }
  return owed
}

function inOrder(said: readonly Utterance[]): Utterance[] {
  return said.toSorted((a, b) => a.at - b.at)
}
