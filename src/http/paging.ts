import { z } from 'zod'
import { LIMITS } from '#config.ts'

const CURSOR_CHARS = 500

/** An opaque cursor in a query: what `writeCursor` made of a position of this shape. */
export function cursorOf<Position extends z.ZodType>(position: Position) {
  return z
    .string()
    .max(CURSOR_CHARS)
    .transform((text, context): z.output<Position> => {
      const parsed = position.safeParse(readJson(Buffer.from(text, 'base64url').toString()))
      if (parsed.success) return parsed.data
      context.addIssue({ code: 'custom', message: 'is no cursor of this list' })
      return z.NEVER
    })
    .optional()
}

/** Where the next page begins, in a form that callers hand back and do not read. */
export function writeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const limitQuery = z.coerce.number().int().min(1).max(LIMITS.PAGE_MAX).default(LIMITS.PAGE_DEFAULT)

/** A page of a list in JSON. */
export const pageOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item), next_cursor: z.string().nullable() })

/** A page from one row more than it holds: that row only says that there is a next page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => Item,
  position: (row: Row) => unknown,
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(show), next_cursor: rows.length > limit && last !== undefined ? writeCursor(position(last)) : null }
}
