import { isSchemaBehind } from '#db/errors.ts'
import { unfollowedLogs } from '#db/events.ts'
import { giveWay, inOrganization } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { followEvents } from '#jobs/event-follow-up.ts'
import type { Logger } from '#log.ts'
import type { Notifier } from './notifier.ts'

const LOGS_MAX = 100
const AGAIN_MS = 2_000

/** Has what events cause (deliveries to webhooks, mails) written soon after them. Without it the schedule does so, within a minute. */
export interface FollowUp {
  /** Some log has grown. */
  wake(): void
  stop(): Promise<void>
}

export function startFollowUp({ system }: Database, notifier: Notifier, log: Logger): FollowUp {
  let running: Promise<void> | null = null
  let again = false
  let stopped = false
  let retry: NodeJS.Timeout | undefined

  async function run(): Promise<void> {
    do {
      again = false
      try {
        for (const organization of await lagging()) await followToItsEnd(organization)
      } catch (error) {
        // The cursor has not moved, so nothing is lost.
        if (!isSchemaBehind(error)) log.warn({ err: error }, 'could not follow the log of events: it will be tried again')
        retry = setTimeout(wake, AGAIN_MS).unref()
      }
    } while (again)
    running = null
  }

  const lagging = (): Promise<readonly string[]> =>
    system.transaction(async (tx) => {
      await giveWay(tx)
      return unfollowedLogs(tx, LOGS_MAX)
    })

  async function followToItsEnd(organization: string): Promise<void> {
    for (let more = true; more;) {
      const followed = await inOrganization(system, organization, async (tx) => {
        await giveWay(tx)
        return followEvents(tx, organization)
      })
      notifier.notify(...followed.queues)
      more = followed.more
    }
  }

  function wake(): void {
    if (stopped) return
    again = true
    running ??= run()
  }

  return {
    wake,
    stop: async () => {
      stopped = true
      clearTimeout(retry)
      await running
    },
  }
}
