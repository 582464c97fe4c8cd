import { createHash } from 'node:crypto'
import { LIMITS } from '#config.ts'
import { countAttempts, uncountAttempts } from '#db/attempts.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { hasAccountTables } from '#db/second-factors.ts'
import { refusal } from './refusal.ts'

/** What came of an attempt: only a failed one counts, only a right one clears the account's name at its address. */
export interface Attempt<T> {
  verdict: 'right' | 'wrong' | 'incomplete'
  value: T
}

/** What too many failures close: an account for one address, an account for all, an address for all accounts. */
export type Closed = 'account from address' | 'account' | 'address'

/** Whose attempt it is. */
export interface Claimant {
  /** The address of the network. */
  ip: string
  email: string
}

const digest = (kind: string, text: string): string => `${kind}:${createHash('sha256').update(text).digest('base64url')}`

/**
 * Bounds failed sign-ins: of one account from one address, of one account from anywhere, from one address for any account.
 * The counts are the database's, so that all API processes share them and a restart forgets none.
 *
 * @param onClosed hears of what the last failed attempt has closed for the rest of its window
 * @throws a refusal with 429 before the attempt, where too many have failed
 */
export async function guardAttempt<T>(
  db: CommonQueryMethods,
  { ip, email }: Claimant,
  attempt: () => Promise<Attempt<T>>,
  onClosed: (what: Closed[]) => Promise<void> = async () => {},
): Promise<T> {
  // Taken down to an older version, the database has no counts; people still sign in.
  if (!(await hasAccountTables(db))) return (await attempt()).value
  const account = email.toLowerCase()
  const pair = digest('pair', `${ip} ${account}`)
  const bounds = new Map<string, { limit: number; closes: Closed }>([
    [pair, { limit: LIMITS.SIGN_IN_FAILURES_PER_PAIR, closes: 'account from address' }],
    [digest('account', account), { limit: LIMITS.SIGN_IN_FAILURES_PER_ACCOUNT, closes: 'account' }],
    [digest('address', ip), { limit: LIMITS.SIGN_IN_FAILURES_PER_ADDRESS, closes: 'address' }],
  ])
  const subjects = [...bounds.keys()]
  const standings = await countAttempts(db, subjects, LIMITS.SIGN_IN_WINDOW_SECONDS)
  const exceeded = standings.filter(({ subject, attempts }) => attempts > bounds.get(subject)!.limit)
  if (exceeded.length > 0) {
    await uncountAttempts(db, subjects)
    throw tooMany(Math.max(...exceeded.map(({ seconds_left }) => seconds_left)))
  }
  let verdict: Attempt<T>['verdict'] = 'incomplete'
  try {
    const outcome = await attempt()
    verdict = outcome.verdict
    return outcome.value
  } finally {
    if (verdict === 'right') await uncountAttempts(db, subjects, [pair])
    else if (verdict === 'incomplete') await uncountAttempts(db, subjects)
    else {
      const reached = standings.map(({ subject, attempts }) => ({ attempts, ...bounds.get(subject)! })).filter(({ attempts, limit }) => attempts === limit)
      if (reached.length > 0) await onClosed(reached.map(({ closes }) => closes))
    }
  }
}

/** Whether one more mail may go to this receiver: silently not beyond its limit. @throws a refusal with 429 where one address asks for too many */
export async function mayMail(db: CommonQueryMethods, { ip, email }: Claimant): Promise<boolean> {
  const receiver = digest('mail-to', email.toLowerCase())
  const standings = await countAttempts(db, [receiver, digest('mail-by', ip)], LIMITS.MAIL_WINDOW_SECONDS)
  const asked = standings.find(({ subject }) => subject !== receiver)
  if (asked && asked.attempts > LIMITS.MAILS_PER_ADDRESS) throw tooMany(asked.seconds_left)
  return standings.every(({ subject, attempts }) => subject !== receiver || attempts <= LIMITS.MAILS_PER_RECEIVER)
}

function tooMany(secondsLeft: number): Error {
  const seconds = Math.max(1, Math.ceil(secondsLeft))
  return refusal(429, `Too many attempts: try again in ${seconds} s.`, { headers: { 'retry-after': String(seconds) } })
}
