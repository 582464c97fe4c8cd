import { OrganizationCache } from '#ai/organization-cache.ts'
import type { Reader } from '#ai/reader.ts'
import { articlesKey, publishedArticles } from '#db/kb.ts'
import type { PublishedArticle } from '#db/kb.ts'
import { solvedKey, solvedTickets } from '#db/suggestions.ts'
import type { SolvedTicket } from '#db/suggestions.ts'
import { recentKey, recentTickets } from '#db/similar-tickets.ts'
import type { RecentTicket } from '#db/similar-tickets.ts'
import { SearchIndex } from './search-index.ts'
import { learnSimilar } from './similar.ts'
import type { SimilarIndex } from './similar.ts'

/** More than these the index in memory does not hold: the newest ones count. */
const MAX_ARTICLES = 5_000
const MAX_SOLVED = 2_000
const MAX_RECENT = 2_000
/** The index of solved tickets is made again when their number has grown by this share; up to `SMALL` with each of them. */
const GROWTH_SHARE = 0.05
const SMALL = 60

const articleIndexes = new OrganizationCache<SearchIndex<PublishedArticle>>()
const solvedIndexes = new OrganizationCache<SearchIndex<SolvedTicket>>()
const recentIndexes = new OrganizationCache<SimilarIndex<RecentTicket>>()

/** The organisation's published articles, ready to be searched; made again when one changes. */
export async function articleIndex(organizationId: string, reader: Reader): Promise<SearchIndex<PublishedArticle>> {
  const key = await reader.read(articlesKey)
  return articleIndexes.get(organizationId, key, async () => {
    const articles = await reader.read((db) => publishedArticles(db, MAX_ARTICLES))
    return SearchIndex.learn(articles.map((article) => ({ title: article.title, text: article.content, item: article, asked: article.asked })))
  })
}

/** The organisation's solved tickets by what was asked, ready to be searched. */
export async function solvedIndex(organizationId: string, reader: Reader): Promise<SearchIndex<SolvedTicket>> {
  const now = await reader.read((db) => solvedKey(db, MAX_SOLVED))
  return solvedIndexes.get(
    organizationId,
    JSON.stringify(now),
    async () => {
      const tickets = await reader.read((db) => solvedTickets(db, MAX_SOLVED))
      return SearchIndex.learn(tickets.map((ticket) => ({ title: ticket.subject, text: ticket.description, item: ticket })))
    },
    (kept) => {
      const before = JSON.parse(kept) as { rows: number; newest: string }
      if (before.rows <= SMALL) return before.rows === now.rows && before.newest === now.newest
      return Math.abs(now.rows - before.rows) < before.rows * GROWTH_SHARE
    },
  )
}

/** The organisation's open and newest tickets, ready to be compared; made again when their number has grown by so much. */
export async function recentIndex(organizationId: string, reader: Reader): Promise<SimilarIndex<RecentTicket>> {
  const now = await reader.read(recentKey)
  return recentIndexes.get(
    organizationId,
    JSON.stringify(now),
    async () => learnSimilar(await reader.read((db) => recentTickets(db, MAX_RECENT))),
    (kept) => {
      const before = JSON.parse(kept) as { last_number: number }
      return now.last_number - before.last_number < Math.max(1, Math.min(before.last_number, MAX_RECENT) * GROWTH_SHARE)
    },
  )
}
