import { z } from 'zod'

/** A path's {id} that is a UUID. */
export const uuidParams = z.strictObject({ id: z.guid() })

/** A path's {id} that counts up. Sixteen digits stay within int8; the seventeenth is refused as no id. */
export const numberParams = z.strictObject({
  id: z
    .string()
    .regex(/^[1-9]\d{0,15}$/, 'must be a whole number above 0')
    .transform(Number),
})

/** The body of a POST that says all in its path. */
export const noBody = z.strictObject({}).nullish()

/** An instant in any offset. */
export const instant = z.iso.datetime({ offset: true })

/** A list that is short by nature, whole. */
export const listOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item) })
