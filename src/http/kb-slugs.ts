import { isSlugTaken } from '#db/kb-articles.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { refusal } from './refusal.ts'

/** A slug leads to one article for good, also after that has another. @throws a refusal with 409 */
export async function requireFreeSlug(tx: CommonQueryMethods, slug: string, articleId: string | null): Promise<void> {
  if (!(await isSlugTaken(tx, slug, articleId))) return
  throw refusal(409, 'This slug leads to another article, or did.', { errors: [{ location: 'body', path: 'slug', message: 'is taken' }] })
}
