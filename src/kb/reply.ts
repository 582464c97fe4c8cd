import type { PublishedArticle } from '#db/kb.ts'
import type { TicketText } from '#db/job-inputs.ts'
import type { Citation, SmartReply, SolvedTicket } from '#db/suggestions.ts'
import { bestPassage } from './passages.ts'
import type { Hit, SearchIndex } from './search-index.ts'

const REPLY_MODEL = 'reply-extractive-1'

/** Below this relevance a source is foreign to the ticket: six of seven foreign queries end here, one in twelve answerable ones. */
export const RELEVANCE_FLOOR = 0.1
/** An answer to another ticket speaks of that ticket, so it must be closer than an article to be quoted. */
const ANSWER_FLOOR = 0.2
const MAX_ANSWER_CHARS = 900
/** A second source is quoted where it is nearly as good as the first. */
const SECOND_SHARE = 0.7
/** What would carry one customer's details to another: addresses, numbers, links. */
const PERSONAL = /[\w.+-]+@[\w-]+\.\w|https?:\/\/|\+?\d[\d ()/-]{6,}\d/
const SALUTATION = /^\s*(hi|hello|dear|good (morning|afternoon|day)|thank(s| you)|best|kind|regards|cheers|sincerely)\b[^.!?]{0,60}[,!.]?\s*$/i

interface Source extends Citation {
  relevance: number
}

/**
 * Drafts a reply out of passages that the organisation has published or sent before, each cited word for word. Nothing
 * is made up: where no source is close enough there is no draft.
 */
export function draftReply(ticket: TicketText, articles: SearchIndex<PublishedArticle>, solved: SearchIndex<SolvedTicket>): SmartReply | null {
  const query = `${ticket.subject}\n${ticket.description}`
  const sources = [
    ...fromArticles(
      articles.search(query, 3, (article) => article.is_public),
      query,
    ),
    ...fromAnswers(solved, ticket, query),
  ]
    .toSorted((a, b) => b.relevance - a.relevance)
    .slice(0, 2)
  const best = sources[0]
  if (!best) return null
  const quoted = sources.filter(({ relevance }) => relevance >= best.relevance * SECOND_SHARE)
  const citations = quoted.map(({ relevance: _relevance, ...citation }) => citation)
  return { ticket_id: ticket.id, content: letter(ticket, citations), citations, confidence: best.relevance, model_id: REPLY_MODEL }
}

function fromArticles(hits: readonly Hit<PublishedArticle>[], query: string): Source[] {
  return hits
    .filter(({ relevance }) => relevance >= RELEVANCE_FLOOR)
    .flatMap(({ item, relevance }) => {
      const found = bestPassage(item.content, query)
      return found ? [{ source_type: 'kb', source_id: item.id, title: item.title, version: item.version, quote: found.passage, relevance }] : []
    })
}

function fromAnswers(solved: SearchIndex<SolvedTicket>, ticket: TicketText, query: string): Source[] {
  return solved
    .search(query, 3, ({ id }) => id !== ticket.id)
    .filter(({ relevance }) => relevance >= ANSWER_FLOOR)
    .flatMap(({ item, relevance }) => {
      const quote = impersonal(item.answer)
      return quote ? [{ source_type: 'ticket', source_id: item.id, title: item.subject, version: item.version, quote, relevance }] : []
    })
}

/** The longest run of lines of an answer that greet nobody and name no address, number or link; word for word. */
function impersonal(answer: string): string {
  let best = ''
  let run = ''
  for (const line of answer.slice(0, MAX_ANSWER_CHARS * 4).split(/(?<=\n)/)) {
    run = PERSONAL.test(line) || SALUTATION.test(line) ? '' : run + line
    if (run.trim().length > best.length && run.trim().length <= MAX_ANSWER_CHARS) best = run.trim()
  }
  return best
}

function letter(ticket: TicketText, citations: readonly Citation[]): string {
  const articles = citations.filter(({ source_type }) => source_type === 'kb').map(({ title }) => `“${title}”`)
  return [
    `Hello ${ticket.requester_name},`,
    `thank you for your message about “${ticket.subject}”.`,
    ...citations.map(({ quote }) => quote),
    ...(articles.length > 0 ? [`You can read more in our help centre: ${articles.join(', ')}.`] : []),
    'Please tell us whether this helps.',
  ].join('\n\n')
}
