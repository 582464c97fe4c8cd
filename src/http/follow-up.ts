import { unfollowedLogs } from '#db/events.ts'
import { inOrganization } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { followEvents } from '#jobs/event-follow-up.ts'
import type { Logger } from '#log.ts'
import type { Notifier } from './notifier.ts'

const LOGS_MAX = 100

/** Has what events cause (deliveries to webhooks, mails) written soon after them. Without it the schedule does so, within a minute. */
export interface FollowUp {
  /** Some log has grown. */
  wake(): void
  idle(): Promise<void>
}

export function startFollowUp({ system }: Database, notifier: Notifier, log: Logger): FollowUp {
  let running: Promise<void> | null = null
  let again = false

  async function run(): Promise<void> {
    do {
      again = false
      try {
        for (const organization of await unfollowedLogs(system, LOGS_MAX)) await followToItsEnd(organization)
      } catch (error) {
        // The cursor has not moved, so nothing is lost: the next wake or the schedule tries again.
        log.warn({ err: error }, 'could not follow the log of events')
      }
    } while (again)
    running = null
  }

  async function followToItsEnd(organization: string): Promise<void> {
    for (let more = true; more;) {
      const followed = await inOrganization(system, organization, (tx) => followEvents(tx, organization))
      notifier.notify(...followed.queues)
      more = followed.more
    }
  }

  return {
    wake: () => {
      again = true
      running ??= run()
    },
    idle: async () => {
      await running
    },
  }
}
