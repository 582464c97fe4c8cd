import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const SOURCE_TYPES = ['kb', 'ticket'] as const
export type SourceType = (typeof SOURCE_TYPES)[number]

/** An edge from a document's node to another. */
const ragLink = z.object({
  node_type: z.enum(['ticket', 'kb', 'service', 'tag']),
  node_key: z.string(),
  label: z.string(),
  edge_type: z.enum(['relates_to', 'duplicate_of', 'belongs_service', 'solves', 'mentioned_tag']),
  weight: z.number(),
})
export type RagLink = z.infer<typeof ragLink>

/** Ids and slugs of articles that a text links to. */
const linkedArticles = (text: ReturnType<typeof sql.fragment>) => sql.fragment`
  select article.id, article.title
    from regexp_matches(${text}, '/kb/(?:articles/)?(?:by-slug/)?([a-z0-9][a-z0-9-]{0,200})', 'g') as link (part)
    left join kb_article_slugs slug on slug.organization_id = bound_organization() and slug.slug = part[1]
    join kb_articles article on article.organization_id = bound_organization() and article.id::text = coalesce(slug.article_id::text, part[1])`

/** What people have linked a source to: services, tags, related tickets, articles that were linked, sent or found helpful. */
export async function readRagLinks(db: CommonQueryMethods, type: SourceType, id: string): Promise<readonly RagLink[]> {
  if (type === 'kb') {
    return db.any(sql.type(ragLink)`
      select distinct 'kb' as node_type, linked.id::text as node_key, linked.title as label, 'relates_to' as edge_type, 1::float8 as weight
        from kb_articles origin cross join lateral (${linkedArticles(sql.fragment`origin.content`)}) linked
       where origin.organization_id = bound_organization() and origin.id = ${id} and linked.id <> origin.id
       order by node_key`)
  }
  return db.any(sql.type(ragLink)`
    with ticket as (
      select id, service_id, tags from tickets where organization_id = bound_organization() and id = ${id}
    ), link as (
      select 'service' as node_type, service.id::text as node_key, service.name as label, 'belongs_service' as edge_type
        from ticket join services service on service.organization_id = bound_organization() and service.id = service_id
      union select 'tag', tag, tag, 'mentioned_tag' from ticket cross join unnest(tags) tag
      union select 'ticket', other.id::text, other.subject, case kind when 'duplicate_of' then kind else 'relates_to' end
              from ticket join ticket_relations relation on relation.organization_id = bound_organization() and ticket.id in (relation.ticket_id, other_id)
              join tickets other on other.organization_id = bound_organization() and other.id = case when relation.ticket_id = ticket.id then other_id else relation.ticket_id end
      union select 'kb', linked.id::text, linked.title, 'solves'
              from ticket join comments comment on comment.organization_id = bound_organization() and comment.ticket_id = ticket.id
              cross join lateral (${linkedArticles(sql.fragment`comment.content`)}) linked
      union select 'kb', article.id::text, article.title, 'solves'
              from ticket join ai_suggestions sent on sent.organization_id = bound_organization() and sent.ticket_id = ticket.id and is_used
              cross join lateral jsonb_array_elements(citations) citation
              join kb_articles article on article.organization_id = bound_organization() and article.id::text = citation ->> 'source_id'
             where citation ->> 'source_type' = 'kb'
      union select 'kb', article.id::text, article.title, 'solves'
              from ticket join ticket_kb_suggestions helpful on helpful.organization_id = bound_organization() and helpful.ticket_id = ticket.id and is_helpful
              join kb_articles article on article.organization_id = bound_organization() and article.id = article_id
    )
    select *, 1::float8 as weight from link order by node_type, node_key, edge_type`)
}

/** The solved ones among these tickets: those that the index holds. */
export async function solvedAmong(db: CommonQueryMethods, ids: readonly string[]): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select id from tickets where organization_id = bound_organization() and id = any(${sql.array(ids, 'uuid')}) and status in ('resolved', 'closed')`)
}
