import { z } from 'zod'
import { personRow, ROLES } from '#db/users.ts'

const EMAIL_CHARS = 254
const NAME_CHARS = 200
const PASSWORD_CHARS_MIN = 8
const PASSWORD_CHARS_MAX = 1_000

export const email = z.email().max(EMAIL_CHARS)
export const fullName = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
export const password = z.string().min(PASSWORD_CHARS_MIN).max(PASSWORD_CHARS_MAX)

/** Roles within an organisation; operators are the installation's, and made at its command line. */
export const tenantRole = z.enum(ROLES).exclude(['operator'])

export const personSchema = personRow.meta({ id: 'User' })
export const newPerson = z.strictObject({ email, full_name: fullName, role: tenantRole, password })
export const personEdit = z.strictObject({ full_name: fullName, role: tenantRole, is_active: z.boolean(), password }).partial()
