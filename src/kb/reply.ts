import type { PublishedArticle } from '#db/kb.ts'
import type { TicketText } from '#db/job-inputs.ts'
import type { Citation, SmartReply, SolvedTicket } from '#db/suggestions.ts'
import { ordersIn } from '#ai/instructions.ts'
import { bestPassage } from './passages.ts'
import type { Hit, SearchIndex } from './search-index.ts'

const REPLY_MODEL = 'reply-extractive-1'

/** Below this relevance a source is foreign to the ticket: six of seven foreign queries end here, one in twelve answerable ones. */
export const RELEVANCE_FLOOR = 0.1
/** A draft takes more than a hint: here one in twenty foreign tickets gets one, and one in eight answerable ones gets none. */
const DRAFT_FLOOR = 0.14
/** An answer to another ticket speaks of that ticket, so it must be closer than an article to be quoted. */
const ANSWER_FLOOR = 0.2
const MAX_ANSWER_CHARS = 900
/** More sources than these a writer is not shown, and a letter does not quote. */
const MAX_SOURCES = 4
const MAX_QUOTED = 2
/** A second source is quoted where it is nearly as good as the first. */
const SECOND_SHARE = 0.7
/** What would carry one customer's details to another: addresses, numbers, links. */
const PERSONAL = /[\w.+-]+@[\w-]+\.\w|https?:\/\/|\+?\d[\d ()/-]{6,}\d/
const SALUTATION = /^\s*(hi|hello|dear|good (morning|afternoon|day)|thank(s| you)|best|kind|regards|cheers|sincerely)\b[^.!?]{0,60}[,!.]?\s*$/i

/** A passage that may answer the ticket, and how near it is. */
export interface Source extends Citation {
  relevance: number
}

/** Passages that the organisation has published or sent before and that speak of what the ticket speaks of, the nearest first. */
export function replySources(ticket: TicketText, articles: SearchIndex<PublishedArticle>, solved: SearchIndex<SolvedTicket>): Source[] {
  const query = `${ticket.subject}\n${ticket.description}`
  return (
    [
      ...fromArticles(
        articles.search(query, 3, (article) => article.is_public),
        query,
      ),
      ...fromAnswers(solved, ticket, query),
    ]
      // Who wrote orders to a machine into an article or an answer is quoted to nobody.
      .filter(({ quote }) => ordersIn(quote).length === 0)
      .toSorted((a, b) => b.relevance - a.relevance)
      .slice(0, MAX_SOURCES)
  )
}

/** Drafts a reply out of the nearest passages, each cited word for word. Nothing is made up: without a source there is no draft. */
export function draftReply(ticket: TicketText, sources: readonly Source[]): Omit<SmartReply, 'basis_reason'> | null {
  const best = sources[0]
  if (!best) return null
  const quoted = sources.slice(0, MAX_QUOTED).filter(({ relevance }) => relevance >= best.relevance * SECOND_SHARE)
  const citations = quoted.map(citationOf)
  const content = letter(
    ticket,
    citations.map(({ quote }) => quote),
    citations,
  )
  return { ticket_id: ticket.id, content, citations, confidence: best.relevance, model_id: REPLY_MODEL, basis: 'extractive' }
}

export const citationOf = ({ relevance: _relevance, ...citation }: Source): Citation => citation

function fromArticles(hits: readonly Hit<PublishedArticle>[], query: string): Source[] {
  return hits
    .filter(({ relevance }) => relevance >= DRAFT_FLOOR)
    .flatMap(({ item, relevance }) => {
      const found = bestPassage(item.content, query)
      if (!found) return []
      const { id: source_id, title, version } = item
      return [{ source_type: 'kb', source_id, comment_id: null, title, version, span: spanOf(item.content, found.passage), quote: found.passage, relevance }]
    })
}

function fromAnswers(solved: SearchIndex<SolvedTicket>, ticket: TicketText, query: string): Source[] {
  return solved
    .search(query, 3, ({ id }) => id !== ticket.id)
    .filter(({ relevance }) => relevance >= ANSWER_FLOOR)
    .flatMap(({ item, relevance }) => {
      const quote = impersonal(item.answer)
      if (!quote) return []
      const { id: source_id, comment_id, subject: title, version } = item
      return [{ source_type: 'ticket', source_id, comment_id, title, version, span: spanOf(item.answer, quote), quote, relevance }]
    })
}

/** Where a passage stands in its text; passages are taken word for word. */
function spanOf(text: string, passage: string): Citation['span'] {
  const start = text.indexOf(passage)
  return { start, end: start + passage.length }
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

/** A letter around what is said: who is greeted comes from the desk, never from a model. */
export function letter(ticket: TicketText, body: readonly string[], citations: readonly Citation[]): string {
  const articles = [...new Set(citations.filter(({ source_type }) => source_type === 'kb').map(({ title }) => `“${title}”`))]
  return [
    `Hello ${ticket.requester_name},`,
    `thank you for your message about “${ticket.subject}”.`,
    ...body,
    ...(articles.length > 0 ? [`You can read more in our help centre: ${articles.join(', ')}.`] : []),
    'Please tell us whether this helps.',
  ].join('\n\n')
}
