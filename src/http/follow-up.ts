import { isSchemaBehind } from '#db/errors.ts'
import { unfollowedLogs } from '#db/events.ts'
import { giveWay, inOrganization } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { organizationsToRule } from '#db/rule-events.ts'
import { followEvents } from '#jobs/event-follow-up.ts'
import type { Logger } from '#log.ts'
import { runMachineRules } from './machine-rules.ts'
import type { Notifier } from './notifier.ts'

const LOGS_MAX = 100
const AGAIN_MS = 2_000

/**
 * Has what events cause (deliveries to webhooks, mails) written soon after them, where without it the schedule does so, within a minute;
 * and runs the rules on what jobs and clocks did to tickets, which nobody else does.
 */
export interface FollowUp {
  /** Some log has grown. */
  wake(): void
  stop(): Promise<void>
}

export function startFollowUp({ app, system }: Database, notifier: Notifier, log: Logger): FollowUp {
  let running: Promise<void> | null = null
  let again = false
  let stopped = false
  let retry: NodeJS.Timeout | undefined

  async function run(): Promise<void> {
    do {
      again = false
      try {
        for (const organization of await lagging(unfollowedLogs)) await followToItsEnd(organization)
        for (const organization of await lagging(organizationsToRule)) await ruleToItsEnd(organization)
      } catch (error) {
        // The cursor has not moved, so nothing is lost.
        if (!isSchemaBehind(error)) log.warn({ err: error }, 'could not follow the log of events: it will be tried again')
        wakeAgain()
      }
    } while (again)
    running = null
  }

  const lagging = (which: typeof unfollowedLogs): Promise<readonly string[]> =>
    system.transaction(async (tx) => {
      await giveWay(tx)
      return which(tx, LOGS_MAX)
    })

  async function followToItsEnd(organization: string): Promise<void> {
    for (let more = true; more && !stopped;) {
      const followed = await inOrganization(system, organization, async (tx) => {
        await giveWay(tx)
        return followEvents(tx, organization)
      })
      notifier.notify(...followed.queues)
      more = followed.more
    }
  }

  async function ruleToItsEnd(organization: string): Promise<void> {
    for (let more = true; more && !stopped;) {
      const { queues, ran, error } = await inOrganization(app, organization, async (tx) => {
        await giveWay(tx)
        return runMachineRules(tx, organization)
      })
      notifier.notify(...queues)
      more = ran
      if (!error) continue
      log.warn({ err: error, organization_id: organization }, 'rules could not run on what a job or a clock did')
      wakeAgain()
    }
  }

  function wakeAgain(): void {
    clearTimeout(retry)
    retry = setTimeout(wake, AGAIN_MS).unref()
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
