import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const categoryRow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  is_internal: z.boolean(),
  position: z.number(),
  created_at: z.date(),
})
export type CategoryRow = z.infer<typeof categoryRow>
export type CategoryFields = Pick<CategoryRow, 'name' | 'description' | 'is_internal' | 'position'>

const columns = sql.fragment`id, name, description, is_internal, position, created_at`

/** Categories in their order, those after a position and name where they are given. */
export async function listCategories(
  db: CommonQueryMethods,
  sees: { internal: boolean },
  page: { after: { position: number; name: string } | null; limit: number },
): Promise<readonly CategoryRow[]> {
  return db.any(sql.type(categoryRow)`
    select ${columns} from kb_categories
     where organization_id = bound_organization() and (${sees.internal} or not is_internal)
       and (${page.after?.position ?? null}::int8 is null or (position, name) > (${page.after?.position ?? null}::int8, ${page.after?.name ?? null}::text))
     order by position, name limit ${page.limit}`)
}

export async function findCategory(db: CommonQueryMethods, sees: { internal: boolean }, id: string): Promise<CategoryRow | null> {
  return db.maybeOne(
    sql.type(
      categoryRow,
    )`select ${columns} from kb_categories where organization_id = bound_organization() and id = ${id} and (${sees.internal} or not is_internal)`,
  )
}

export async function insertCategory(db: CommonQueryMethods, { name, description, is_internal, position }: CategoryFields): Promise<CategoryRow> {
  return db.one(sql.type(categoryRow)`
    insert into kb_categories (organization_id, name, description, is_internal, position)
    values (bound_organization(), ${name}, ${description}, ${is_internal}, ${position}) returning ${columns}`)
}

/** Writes a category anew. */
export async function updateCategory(db: CommonQueryMethods, id: string, { name, description, is_internal, position }: CategoryFields): Promise<CategoryRow> {
  return db.one(sql.type(categoryRow)`
    update kb_categories set name = ${name}, description = ${description}, is_internal = ${is_internal}, position = ${position}
     where organization_id = bound_organization() and id = ${id} returning ${columns}`)
}

/** Deletes a category without articles. @returns how many were deleted: 0 or 1 */
export async function deleteCategory(db: CommonQueryMethods, id: string): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    delete from kb_categories category where organization_id = bound_organization() and id = ${id}
      and not exists (select from kb_articles article where article.organization_id = category.organization_id and category_id = category.id)`)
  return rowCount
}

/** The published articles of a category: who sees them changes with it. */
export async function publishedOfCategory(db: CommonQueryMethods, id: string): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select id from kb_articles where organization_id = bound_organization() and category_id = ${id} and is_published`)
}
