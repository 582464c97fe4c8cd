import { readBacklog } from '#db/queues.ts'
import type { Backlog } from '#db/queues.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { refusal } from './refusal.ts'
import { ShortCache } from './short-cache.ts'

/** However many enqueue, a queue is counted once in this time. */
const MAX_AGE_MS = 2_000
const RETRY_AFTER_SECONDS = '5'

/** Back-pressure: a queue in which more jobs wait than its bound takes no more over HTTP. Tickets are never refused for it. */
export class Backlogs {
  readonly #db: CommonQueryMethods
  readonly #cache = new ShortCache<Backlog | null>(MAX_AGE_MS)

  constructor(db: CommonQueryMethods) {
    this.#db = db
  }

  /**
   * Counts the queues where that was not done just now. To be asked before a transaction begins, so that it waits for no
   * second connection.
   *
   * @returns throws a refusal with 503 where one of the queues is full
   */
  async check(queues: Iterable<string>): Promise<() => void> {
    const found = await Promise.all(
      [...new Set(queues)].map(async (queue) => ({ queue, backlog: await this.#cache.get(queue, () => readBacklog(this.#db, queue)) })),
    )
    const full = found.find(({ backlog }) => backlog !== null && backlog.waiting > backlog.max_depth)
    return () => {
      if (full) throw queueIsFull(full.queue, full.backlog!.max_depth)
    }
  }
}

function queueIsFull(queue: string, max_depth: number): Error {
  return refusal(503, `The queue is full: more than ${max_depth} jobs wait in ${queue}. Try again later.`, {
    type: 'urn:atum-desk:problem:queue-full',
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
    members: { queue, max_depth },
  })
}
