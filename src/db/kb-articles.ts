import { z } from 'zod'
import { anyLanguage, asked } from './search-words.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const articleRow = z.object({
  id: z.string(),
  slug: z.string(),
  title: z.string(),
  content: z.string(),
  category_id: z.string().nullable(),
  is_internal: z.boolean(),
  is_published: z.boolean(),
  version: z.number(),
  author_id: z.string().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
  published_at: z.date().nullable(),
})
export type ArticleRow = z.infer<typeof articleRow>

const columns = sql.fragment`
  article.id, slug, title, content, category_id, article.is_internal, is_published, version, author_id, article.created_at, article.updated_at, published_at`

/** Staff see every article; customers those that are published and internal neither themselves nor by their category. */
const visibleTo = (sees: { internal: boolean }) => sql.fragment`(
  ${sees.internal} or (is_published and not article.is_internal and not exists (
    select from kb_categories category
     where category.organization_id = article.organization_id and category.id = article.category_id and category.is_internal)))`

const listedRow = articleRow.omit({ content: true }).extend({ at_us: z.number() })

export interface ArticleFilter {
  category_id: string | null
  is_published: boolean | null
  /** Words to find in title and text, as one writes them to a search engine. */
  q: string | null
}

/** Articles without their text, the newest first, those after an instant (microseconds since 1970) and id where they are given. */
export async function listArticles(
  db: CommonQueryMethods,
  sees: { internal: boolean },
  filter: ArticleFilter,
  page: { after: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof listedRow>[]> {
  return db.any(sql.type(listedRow)`
    select article.id, slug, title, category_id, article.is_internal, is_published, version, author_id, article.created_at, article.updated_at, published_at,
           (extract(epoch from article.created_at) * 1000000)::int8 as at_us
      from kb_articles article
     where organization_id = bound_organization() and ${visibleTo(sees)}
       and (${filter.category_id}::uuid is null or category_id = ${filter.category_id}::uuid)
       and (${filter.is_published}::bool is null or is_published = ${filter.is_published}::bool)
       and (${filter.q}::text is null or search_vector @@ ${asked(filter.q ?? '', anyLanguage)})
       and (${page.after?.at_us ?? null}::int8 is null
            or ((extract(epoch from article.created_at) * 1000000)::int8, article.id) < (${page.after?.at_us ?? null}::int8, ${page.after?.id ?? null}::uuid))
     order by article.created_at desc, article.id desc limit ${page.limit}`)
}

export async function findArticle(db: CommonQueryMethods, sees: { internal: boolean }, id: string): Promise<ArticleRow | null> {
  return db.maybeOne(
    sql.type(articleRow)`select ${columns} from kb_articles article where organization_id = bound_organization() and id = ${id} and ${visibleTo(sees)}`,
  )
}

/** The article to which a slug leads, one that it has or one that it had. */
export async function findArticleBySlug(db: CommonQueryMethods, sees: { internal: boolean }, slug: string): Promise<ArticleRow | null> {
  return db.maybeOne(sql.type(articleRow)`
    select ${columns} from kb_articles article
     where organization_id = bound_organization() and ${visibleTo(sees)}
       and id = (select article_id from kb_article_slugs known where known.organization_id = bound_organization() and known.slug = ${slug})`)
}

/** Whether a slug leads to another article, or did. */
export async function isSlugTaken(db: CommonQueryMethods, slug: string, articleId: string | null): Promise<boolean> {
  return db.oneFirst(sql.type(z.object({ taken: z.boolean() }))`
    select exists (select from kb_article_slugs
                    where organization_id = bound_organization() and slug = ${slug} and article_id is distinct from ${articleId}::uuid) as taken`)
}

/** An article that nobody else changes until the transaction ends. */
export async function lockArticle(db: CommonQueryMethods, id: string): Promise<ArticleRow | null> {
  return db.maybeOne(
    sql.type(articleRow)`select ${columns} from kb_articles article where organization_id = bound_organization() and id = ${id} for no key update`,
  )
}

export type ArticleFields = Pick<ArticleRow, 'slug' | 'title' | 'content' | 'category_id' | 'is_internal' | 'is_published'>

export async function insertArticle(db: CommonQueryMethods, article: ArticleFields & Pick<ArticleRow, 'author_id'>): Promise<ArticleRow> {
  return db.one(sql.type(articleRow)`
    insert into kb_articles as article (organization_id, slug, title, content, category_id, is_internal, is_published, author_id, published_at)
    values (bound_organization(), ${article.slug}, ${article.title}, ${article.content}, ${article.category_id}::uuid, ${article.is_internal},
            ${article.is_published}, ${article.author_id}::uuid, case when ${article.is_published} then now() end)
    returning ${columns}`)
}

/** Writes an article anew, as its next version. */
export async function updateArticle(db: CommonQueryMethods, id: string, article: ArticleFields): Promise<ArticleRow> {
  return db.one(sql.type(articleRow)`
    update kb_articles article
       set slug = ${article.slug}, title = ${article.title}, content = ${article.content}, category_id = ${article.category_id}::uuid, is_internal = ${article.is_internal},
           is_published = ${article.is_published}, version = version + 1, updated_at = now(),
           published_at = case when ${article.is_published} then case when is_published then published_at else now() end end
     where organization_id = bound_organization() and id = ${id} returning ${columns}`)
}

/** Deletes an article with its versions and what was suggested of it. */
export async function deleteArticle(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from kb_articles where organization_id = bound_organization() and id = ${id}`)
}

export const versionRow = z.object({
  version: z.number(),
  title: z.string(),
  content: z.string(),
  is_internal: z.boolean(),
  category_id: z.string().nullable(),
  saved_at: z.date(),
})
const listedVersion = versionRow.omit({ content: true })

/** The texts that an article had, the newest first, without the texts; those before a version where it is given. */
export async function listArticleVersions(
  db: CommonQueryMethods,
  articleId: string,
  page: { before: number | null; limit: number },
): Promise<readonly z.infer<typeof listedVersion>[]> {
  return db.any(sql.type(listedVersion)`
    select version, title, is_internal, category_id, saved_at from kb_article_versions
     where organization_id = bound_organization() and article_id = ${articleId} and (${page.before}::int8 is null or version < ${page.before}::int8)
     order by version desc limit ${page.limit}`)
}

/** A text that an article had; null where no text was saved under this version. */
export async function findArticleVersion(db: CommonQueryMethods, articleId: string, version: number): Promise<z.infer<typeof versionRow> | null> {
  return db.maybeOne(sql.type(versionRow)`
    select version, title, content, is_internal, category_id, saved_at from kb_article_versions
     where organization_id = bound_organization() and article_id = ${articleId} and version = ${version}::int8`)
}
