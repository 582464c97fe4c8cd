import { z } from 'zod'
import { articleRow, versionRow } from '#db/kb-articles.ts'
import { cursorOf, limitQuery } from './paging.ts'

const TITLE_CHARS = 500
const CONTENT_CHARS = 500_000
const SEARCH_CHARS = 200
/** int4 in the database. */
const SLUG_CHARS = 200
const VERSION_MAX_DIGITS = 9

const title = z.string().max(TITLE_CHARS).regex(/\S/, 'must say something')
export const slug = z
  .string()
  .max(SLUG_CHARS)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be words of a to z and digits, with hyphens between them')
const content = z.string().max(CONTENT_CHARS).regex(/\S/, 'must say something')

export const articleSchema = articleRow.meta({ id: 'KbArticle' })
export const listedArticle = articleRow.omit({ content: true }).meta({ id: 'ListedKbArticle' })
export const versionSchema = versionRow.meta({ id: 'KbArticleVersion' })
export const listedVersion = versionRow.omit({ content: true }).meta({ id: 'ListedKbArticleVersion' })

export const newArticle = z.strictObject({
  slug: slug.describe('Made from the title where it is not given').optional(),
  title,
  content,
  category_id: z.guid().nullable().default(null),
  is_internal: z.boolean().describe('Hidden from customers').default(false),
  is_published: z.boolean().default(false),
})
export const articleEdit = z
  .strictObject({ slug: slug.describe('The one before leads here from now on'), title, content, category_id: z.guid().nullable(), is_internal: z.boolean() })
  .partial()

export const articleQuery = z.strictObject({
  category_id: z.guid().optional(),
  is_published: z.enum(['true', 'false']).optional(),
  q: z.string().min(1).max(SEARCH_CHARS).optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.int(), z.guid()])),
})
export const versionQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int()])) })
export const versionParams = z.strictObject({
  id: z.guid(),
  version: z
    .string()
    .regex(new RegExp(String.raw`^[1-9]\d{0,${VERSION_MAX_DIGITS - 1}}$`), 'must be a whole number above 0')
    .transform(Number),
})
