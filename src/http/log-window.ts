import { z } from 'zod'
import { limitStatements } from '#db/doctor.ts'
import { sqlState } from '#db/errors.ts'
import type { Database, DatabaseTransactionConnection } from '#db/pool.ts'
import { refusal } from './refusal.ts'
import { inScope } from './scope.ts'
import type { Identity } from './tokens.ts'

const WINDOW_MIN_SECONDS = 60
const WINDOW_MAX_SECONDS = 7 * 86_400
/** What a look at the log may take of the database; a window that takes longer is cut. */
const PATIENCE_MS = 2_500
const CUT = 6
/** Not even at full speed do so few seconds hold more than can be read. */
const CUT_TO_SECONDS = 5
/** What was too much is not tried again for so long. */
const REMEMBERED_MS = 60_000
const QUERY_CANCELED = '57014'
/** Events that a sorted answer may look at; of more, a share of the jobs is read. */
const SAMPLED_EVENTS_MAX = 150_000

/** `?window=`: how far a look goes back, in seconds. */
export const windowQuery = (fallback: number) =>
  z.coerce.number().int().min(WINDOW_MIN_SECONDS).max(WINDOW_MAX_SECONDS).default(fallback).describe('How many seconds to look back')

/** What was really looked at, which every answer about a window says. */
export const windowShape = {
  window_seconds: z.number().describe('How far this looks back: less than was asked for, where that was more than can be read at once'),
  sampled_every: z.number().describe('One job in so many was looked at; 1 is all'),
}

/** Of so many events one job in how many is to be looked at. */
export const sampleOf = (events: number): number => Math.max(1, Math.ceil(events / SAMPLED_EVENTS_MAX))

/**
 * Reads a stretch of the log that ends now. Where it holds more than can be read within a moment, a shorter one: an
 * answer about the last ten minutes is worth more than none about a week.
 */
export async function readWindow<T>(
  database: Database,
  identity: Identity,
  wanted: number,
  read: (tx: DatabaseTransactionConnection, seconds: number) => Promise<T>,
): Promise<{ window_seconds: number; value: T }> {
  const scope = identity.organization_id ?? 'installation'
  const cut = cuts.get(scope)
  const most = cut && performance.now() - cut.at < REMEMBERED_MS ? cut.seconds : wanted
  for (let seconds = Math.min(wanted, most); ; seconds = Math.max(CUT_TO_SECONDS, Math.floor(seconds / CUT))) {
    try {
      const value = await inScope(database, identity, async (tx) => {
        await limitStatements(tx, PATIENCE_MS)
        return read(tx, seconds)
      })
      return { window_seconds: seconds, value }
    } catch (error) {
      if (sqlState(error) !== QUERY_CANCELED) throw error
      if (seconds === CUT_TO_SECONDS) throw refusal(503, 'The log grows faster than it can be read: not even its last seconds can be told.')
      remember(scope, Math.max(CUT_TO_SECONDS, Math.floor(seconds / CUT)))
    }
  }
}

/** How long an answer about a window is kept for everybody who watches. */
export const keptForMs = (seconds: number): number => (seconds <= 900 ? 3_000 : seconds <= 3_600 ? 10_000 : 60_000)

/** By scope, to how many seconds the last look was cut, and when. */
const cuts = new Map<string, { seconds: number; at: number }>()
const CUTS_MAX = 1_000

function remember(scope: string, seconds: number): void {
  cuts.delete(scope)
  cuts.set(scope, { seconds, at: performance.now() })
  if (cuts.size > CUTS_MAX) cuts.delete(cuts.keys().next().value!)
}
