import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const feedbackRow = z.object({
  article_id: z.string(),
  user_id: z.string(),
  is_helpful: z.boolean(),
  comment: z.string().nullable(),
  article_version: z.number(),
  at: z.date(),
})
const positioned = feedbackRow.extend({ at_us: z.number() })

/** Keeps what a reader says of an article, in the place of what the reader said before. */
export async function upsertFeedback(
  db: CommonQueryMethods,
  feedback: { article_id: string; user_id: string; is_helpful: boolean; comment: string | null; article_version: number },
): Promise<z.infer<typeof feedbackRow>> {
  return db.one(sql.type(feedbackRow)`
    insert into kb_article_feedback (organization_id, article_id, user_id, is_helpful, comment, article_version)
    values (bound_organization(), ${feedback.article_id}, ${feedback.user_id}, ${feedback.is_helpful}, ${feedback.comment}, ${feedback.article_version})
    on conflict (organization_id, article_id, user_id) do update
      set is_helpful = excluded.is_helpful, comment = excluded.comment, article_version = excluded.article_version, at = now()
    returning article_id, user_id, is_helpful, comment, article_version, at`)
}

/** What readers said of an article, the newest first; those before an instant (microseconds since 1970) and reader where they are given. */
export async function listFeedback(
  db: CommonQueryMethods,
  articleId: string,
  page: { after: { at_us: number; user_id: string } | null; limit: number },
): Promise<readonly z.infer<typeof positioned>[]> {
  return db.any(sql.type(positioned)`
    select article_id, user_id, is_helpful, comment, article_version, at, (extract(epoch from at) * 1000000)::int8 as at_us from kb_article_feedback
     where organization_id = bound_organization() and article_id = ${articleId}
       and (${page.after?.at_us ?? null}::int8 is null
            or ((extract(epoch from at) * 1000000)::int8, user_id) < (${page.after?.at_us ?? null}::int8, ${page.after?.user_id ?? null}::uuid))
     order by at desc, user_id desc limit ${page.limit}`)
}
