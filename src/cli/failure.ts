import { ConfigError } from '#config.ts'
import { isDatabaseAway, isSchemaBehind, sqlState } from '#db/errors.ts'

/** Something that the person at the terminal can mend; its message says how. */
export class Refusal extends Error {
  override name = 'Refusal'
}

/** Errors of others whose message says all that a person needs; by name, because loading their classes costs time. */
const PLAIN = new Set(['UnknownMigrationError', 'MigrationFailedError', 'LoginSetupError', 'BackupError', 'ClusterError'])

/** What to print of an error: words for the person who has to mend it, and the stack only where it is a fault of the program. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError) return `Wrong configuration.\n${indented(error.message)}\nSettings are environment variables; see atum-desk up --help.`
  if (error instanceof Refusal || (error instanceof Error && PLAIN.has(error.name))) return error.message
  const words = innermost(error)
  if (sqlState(error) === '28P01' || sqlState(error) === '28000')
    return `The database refused the sign-in: ${words}. Check the user and password in DATABASE_URL.`
  if (sqlState(error) === '3D000') return `The database does not exist: ${words}. Create it, or correct DATABASE_URL.`
  if (isDatabaseAway(error)) return `The database cannot be reached: ${words}. Is it running, and is DATABASE_URL right?`
  if (isSchemaBehind(error)) return `The database lacks something that this version needs: ${words}. Run: atum-desk migrate up`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The message of the first cause: what wraps it says less. */
function innermost(error: unknown): string {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  if (cause instanceof AggregateError && cause.errors.length > 0) return innermost(cause.errors[0])
  return cause instanceof Error ? cause.message : String(cause)
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}
