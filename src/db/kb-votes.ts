import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const target = z.object({ ticket_id: z.string(), is_public: z.boolean() })

/** What a suggestion is about, locked so that its votes are counted one at a time; null where there is none with this id. */
export async function lockSuggestion(db: CommonQueryMethods, id: string): Promise<z.infer<typeof target> | null> {
  return db.maybeOne(sql.type(target)`
    select ticket_id, is_published and not article.is_internal and not coalesce(category.is_internal, false) as is_public
      from ticket_kb_suggestions suggestion
      join kb_articles article on article.organization_id = suggestion.organization_id and article.id = article_id
      left join kb_categories category on category.organization_id = article.organization_id and category.id = category_id
     where suggestion.organization_id = bound_organization() and suggestion.id = ${id} for no key update of suggestion`)
}

/** Keeps a user's vote, in the place of an earlier one. */
export async function upsertVote(db: CommonQueryMethods, vote: { suggestion_id: string; user_id: string; is_helpful: boolean }): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into kb_suggestion_votes (organization_id, suggestion_id, user_id, is_helpful)
    values (bound_organization(), ${vote.suggestion_id}, ${vote.user_id}, ${vote.is_helpful})
    on conflict (organization_id, suggestion_id, user_id) do update set is_helpful = excluded.is_helpful, voted_at = now()`)
}

export const tallyRow = z.object({ suggestion_id: z.string(), is_helpful: z.boolean(), helpful_votes: z.number(), unhelpful_votes: z.number() })

/** Writes to a suggestion what most of its voters say; where they are even, what was said last. */
export async function tallyVotes(db: CommonQueryMethods, suggestionId: string, last: boolean): Promise<z.infer<typeof tallyRow>> {
  return db.one(sql.type(tallyRow)`
    with tally as (
      select count(*) filter (where is_helpful) as helpful, count(*) filter (where not is_helpful) as unhelpful
        from kb_suggestion_votes where organization_id = bound_organization() and suggestion_id = ${suggestionId}
    )
    update ticket_kb_suggestions suggestion set is_helpful = case when helpful = unhelpful then ${last} else helpful > unhelpful end
      from tally where suggestion.organization_id = bound_organization() and suggestion.id = ${suggestionId}
    returning suggestion.id as suggestion_id, is_helpful, helpful as helpful_votes, unhelpful as unhelpful_votes`)
}
