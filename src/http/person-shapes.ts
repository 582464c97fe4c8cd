import { z } from 'zod'
import { personRow, ROLES } from '#db/users.ts'
import { password } from './password-policy.ts'

const EMAIL_CHARS = 254
const NAME_CHARS = 200

export const email = z.email().max(EMAIL_CHARS)
export const fullName = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')

/** Roles within an organisation; operators are the installation's, and made at its command line. */
export const tenantRole = z.enum(ROLES).exclude(['operator'])

export const personSchema = personRow.meta({ id: 'User' })
export const newPerson = z.strictObject({
  email,
  full_name: fullName,
  role: tenantRole,
  password: password.describe('Without one, a mail lets its reader choose it').optional(),
})
export const personEdit = z.strictObject({ full_name: fullName, role: tenantRole, is_active: z.boolean(), password }).partial()
