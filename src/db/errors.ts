/** SQLSTATE classes and system codes that mean: the database is not there, or not for us, at the moment. */
const AWAY = /^(08\w{3}|57P0[1-5]|53\w{3}|25006|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/
const AWAY_NAMES = new Set(['ConnectionError', 'BackendTerminatedError', 'BackendTerminatedUnexpectedlyError', 'IdleTransactionTimeoutError'])
const AWAY_WORDS =
  /connection (terminated|ended|closed|refused|reset)|connection is not|client has encountered|timeout expired|server closed|not queryable|socket/i

/**
 * Whether an error says that the database cannot be reached now (and may be later), rather than that a statement is
 * wrong. Slonik wraps what the driver says, so the whole chain of causes is asked.
 */
export function isDatabaseAway(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth += 1) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    if (code) {
      if (AWAY.test(code)) return true
    } else if (AWAY_NAMES.has(cause.name) || AWAY_NAMES.has(cause.constructor.name) || AWAY_WORDS.test(cause.message)) {
      return true
    }
    if (cause instanceof AggregateError && cause.errors.some(isDatabaseAway)) return true
  }
  return false
}

/** Whether PostgreSQL has no room for what it was to write. */
export const isDiskFull = (error: unknown): boolean => sqlState(error) === '53100'

/** Whether the database lacks what a newer version brings: its tables or columns are not there (yet, or any more). */
export function isSchemaBehind(error: unknown): boolean {
  return /^(42P01|42703|42883|42704)$/.test(sqlState(error) ?? '')
}

/** The SQLSTATE of a database error, wherever in the chain of causes it stands; undefined for others. */
export function sqlState(error: unknown): string | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth += 1) {
    if ('code' in cause && typeof cause.code === 'string' && /^[0-9A-Z]{5}$/.test(cause.code)) return cause.code
  }
  return undefined
}
