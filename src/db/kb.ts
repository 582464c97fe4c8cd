import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const article = z.object({ id: z.string(), title: z.string(), content: z.string(), version: z.number(), is_public: z.boolean(), asked: z.array(z.string()) })
export type PublishedArticle = z.infer<typeof article>

/** Of the tickets that an article helped, the newest that its search learns from, and how much of each. */
const ASKED = { per_article: 20, chars: 2_000 }

/**
 * The published articles of the bound organisation, the newest first, each with what was asked where it helped; public where
 * neither it nor its category is internal.
 */
export async function publishedArticles(db: CommonQueryMethods, limit: number): Promise<readonly PublishedArticle[]> {
  return db.any(sql.type(article)`
    select article.id, title, left(content, 20000) as content, version, not (article.is_internal or coalesce(category.is_internal, false)) as is_public,
           array(select subject || E'\n' || left(ticket.description, ${ASKED.chars})
                   from ticket_kb_suggestions suggestion join tickets ticket on ticket.organization_id = suggestion.organization_id and ticket.id = ticket_id
                  where suggestion.organization_id = article.organization_id and article_id = article.id and is_helpful
                  order by suggestion.created_at desc limit ${ASKED.per_article}) as asked
      from kb_articles article left join kb_categories category on category.organization_id = article.organization_id and category.id = article.category_id
     where article.organization_id = bound_organization() and is_published order by article.updated_at desc, article.id limit ${limit}`)
}

/** A key that changes with any article, category or vote for one, so that an index in memory knows when it is out of date. */
export async function articlesKey(db: CommonQueryMethods): Promise<string> {
  const row = await db.one(sql.type(z.object({ key: z.string() }))`
    select concat_ws(' ', (select concat_ws(' ', count(*), max(updated_at), sum(version), count(*) filter (where is_published), count(*) filter (where is_internal))
                        from kb_articles where organization_id = bound_organization()),
                     (select string_agg(concat(id, is_internal), ',' order by id) from kb_categories where organization_id = bound_organization()),
                     (select concat_ws(' ', count(*), max(created_at)) from ticket_kb_suggestions where organization_id = bound_organization() and is_helpful)) as key`)
  return row.key
}

/** One article for a ticket. */
export interface KbSuggestion {
  article_id: string
  title: string
  excerpt: string
  relevance_score: number
}

/**
 * Makes the ticket's suggestions these: new ones are added, known ones rescored, and those that no longer fit removed,
 * unless somebody has voted on them.
 */
export async function replaceKbSuggestions(db: CommonQueryMethods, ticketId: string, suggestions: readonly KbSuggestion[]): Promise<void> {
  const ids = suggestions.map(({ article_id }) => article_id)
  await db.query(sql.typeAlias('void')`
    delete from ticket_kb_suggestions
     where organization_id = bound_organization() and ticket_id = ${ticketId} and is_helpful is null and article_id <> all (${sql.array(ids, 'uuid')})`)
  for (const { article_id, title, excerpt, relevance_score } of suggestions) {
    // The article may have been withdrawn since it was read; then there is nothing to suggest any more.
    await db.query(sql.typeAlias('void')`
      insert into ticket_kb_suggestions (organization_id, ticket_id, article_id, title, excerpt, relevance_score)
      select organization_id, ${ticketId}, id, ${title}, ${excerpt}, ${relevance_score} from kb_articles
       where organization_id = bound_organization() and id = ${article_id} and is_published
      on conflict (organization_id, ticket_id, article_id) do update
        set title = excluded.title, excerpt = excluded.excerpt, relevance_score = excluded.relevance_score`)
  }
}
