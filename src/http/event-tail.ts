import { isSchemaBehind } from '#db/errors.ts'
import { eventsAfter, movedLogs } from '#db/events.ts'
import type { EventRow } from '#db/events.ts'
import { giveWay, inOrganization } from '#db/pool.ts'
import type { Database, DatabaseTransactionConnection } from '#db/pool.ts'
import type { Logger } from '#log.ts'

/** How often the database is asked whose log has grown: one look at one small table, whoever wrote, in whichever process. */
const POLL_MS = 250
/** And so often while nobody listens to a stream. */
const IDLE_POLLS = 4
/** Rows that one read takes. */
export const EVENTS_PAGE = 200

/** Called when a log has grown. */
type Wake = () => void

/** Follows the logs of what happens, for all streams of this process at once. */
export interface EventTail {
  /** Calls `wake` whenever the organisation's log (null: the installation's) has grown. @returns how to end that */
  follow(organizationId: string | null, wake: Wake): () => void
  /** Events after one, a page at most. Who asks for the same at the same time shares one query. */
  read(organizationId: string | null, after: number): Promise<readonly EventRow[]>
  stop(): void
}

/** @param onGrowth told that some log has grown, at most once a poll */
export function startEventTail(database: Database, log: Logger, onGrowth: Wake): EventTail {
  const followers = new Map<string | null, Set<Wake>>()
  const reads = new Map<string, Promise<readonly EventRow[]>>()
  let horizon: string | null = null
  let looking = false
  let polls = 0

  async function look(): Promise<void> {
    polls += 1
    if (looking || (followers.size === 0 && polls % IDLE_POLLS > 0)) return
    looking = true
    try {
      const moved = await movedLogs(database.system, horizon)
      horizon = moved.horizon
      if (moved.logs.length > 0) onGrowth()
      for (const { organization_id } of moved.logs) for (const wake of followers.get(organization_id) ?? []) wake()
    } catch (error) {
      // Nothing is missed: the horizon stays where it was.
      if (!isSchemaBehind(error)) log.warn({ err: error }, 'could not look for new events')
    } finally {
      looking = false
    }
  }

  const timer = setInterval(() => void look(), POLL_MS).unref()
  return {
    follow: (organizationId, wake) => {
      const wakes = followers.get(organizationId) ?? new Set()
      followers.set(organizationId, wakes.add(wake))
      return () => {
        wakes.delete(wake)
        if (wakes.size === 0) followers.delete(organizationId)
      }
    },
    read: (organizationId, after) => {
      const key = `${organizationId} ${after}`
      const shared = reads.get(key)
      if (shared) return shared
      const load = readPage(database, organizationId, after)
      const read = load.finally(() => reads.delete(key))
      reads.set(key, read)
      return read
    },
    stop: () => clearInterval(timer),
  }
}

function readPage({ app, system }: Database, organizationId: string | null, after: number): Promise<readonly EventRow[]> {
  const read = async (tx: DatabaseTransactionConnection): Promise<readonly EventRow[]> => {
    await giveWay(tx)
    return eventsAfter(tx, organizationId, after, EVENTS_PAGE)
  }
  return organizationId === null ? system.transaction(read) : inOrganization(app, organizationId, read)
}
