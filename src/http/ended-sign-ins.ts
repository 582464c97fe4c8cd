import type { CommonQueryMethods } from '#db/pool.ts'
import { endedSignIns } from '#db/sessions.ts'
import { ACCESS_SECONDS } from './tokens.ts'

/** So long another process of the API may still take the access token of a sign-in that ended here. */
const MAX_AGE_MS = 1_000
/** A clock that is off must not let a token outlive the memory of its end. */
const MARGIN_SECONDS = 60

/** Knows which sign-ins ended before their access tokens did. */
export interface EndedSignIns {
  has(signInId: string): Promise<boolean>
  /** Something has ended here: the next request looks. */
  changed(): void
}

/** Read from the database once a second at most, and only while somebody asks. */
export function watchEndedSignIns(db: CommonQueryMethods): EndedSignIns {
  let known: { at: number; ids: Promise<ReadonlySet<string>> } | null = null
  const read = async (): Promise<ReadonlySet<string>> => new Set(await endedSignIns(db, ACCESS_SECONDS + MARGIN_SECONDS))
  return {
    has: async (signInId) => {
      if (!known || performance.now() - known.at >= MAX_AGE_MS) {
        const reading = { at: performance.now(), ids: read() }
        known = reading
        reading.ids.catch(() => {
          if (known === reading) known = null
        })
      }
      return (await known.ids).has(signInId)
    },
    changed: () => {
      known = null
    },
  }
}
