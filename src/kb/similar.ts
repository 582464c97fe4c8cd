import { SearchIndex } from './search-index.ts'

/** What is compared of a ticket. */
export interface ComparableTicket {
  id: string
  subject: string
  description: string
  created_at: Date
}

export interface SimilarTicket<Ticket> {
  ticket: Ticket
  /** 0 to 1: how alike the words are. */
  similarity: number
}

/** Finds among the tickets that it was made from those that are most like another one. */
export interface SimilarIndex<Ticket> {
  similar(ticket: ComparableTicket, limit: number, accept?: (other: Ticket) => boolean): SimilarTicket<Ticket>[]
}

/** Makes the tickets comparable. */
export async function learnSimilar<Ticket extends ComparableTicket>(tickets: readonly Ticket[], signal?: AbortSignal): Promise<SimilarIndex<Ticket>> {
  const index = await SearchIndex.learn(
    tickets.map((item) => ({ title: item.subject, text: item.description, item })),
    signal,
  )
  return {
    similar: ({ id, subject, description }, limit, accept = () => true) =>
      index
        .search(`${subject}\n${description}`, limit, (other) => other.id !== id && accept(other))
        .map(({ item, relevance }) => ({ ticket: item, similarity: relevance })),
  }
}
