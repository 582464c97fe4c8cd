import type { ClaimedRow, LaneQuota, LaneRow } from '#db/job-claims.ts'

/** What one point of priority is worth: a job of priority 1 goes before a job of priority 0 that has waited up to this much longer. */
const AGEING_MS = 60_000
/** Knowledge of the lanes is renewed at this age at the latest: late commits, retries and new organisations are found then. */
const STALE_MS = 1_000
/**
 * A lane of bundles that gave less than it was asked for need not be dry: a bundle that another claim has just shortened, or
 * that somebody holds, is passed over with all its jobs. It is looked at again after this time, and twice that each time
 * that it gives none, up to a bound.
 */
const SHORT_MS = { first: 10, max: 160 }
/** After a claim that took all there was of a lane it is looked soon for when its next job is due: one that is tried again in a moment, or was put off. */
const NEXT_DUE_MS = 50
/** Lanes that an idle supervisor tries without looking. */
const RECENT_MAX = 4

interface Lane {
  tenant: string
  priority: number
  limit_key: string
  bundled: boolean
  limit_max: number | null
  /** How many more of its jobs may be held. */
  free: number
  /** No job of the lane that this worker may claim is due before; microseconds since 1970, as PostgreSQL counts. */
  headUs: number
  /** On this process's monotonic clock. */
  dueAt: number
}

/**
 * What a queue supervisor knows of its queue's lanes: which organisations have jobs due, of what priority, from when on.
 * The heads are a low-water mark: a claim starts where the last one ended and does not walk over the dead entries before
 * it, which a long transaction of somebody else's would keep there. They are hints only, and renewed each second.
 */
export class Lanes {
  #lanes = new Map<string, Lane>()
  #renewedAt = Number.NEGATIVE_INFINITY
  #closedUntil = Number.NEGATIVE_INFINITY
  #turn = 0
  /** A lane of bundles gave too little since the last look, and how often in a row a look had found it and a claim nothing. */
  #isShort = false
  #vain = 0
  /** A lane gave its last due jobs since the last look: what becomes due next in it is not known. */
  #isDrained = false
  /** When the first of the jobs is due that were put off here since the last look. */
  #expectedAt = Number.POSITIVE_INFINITY
  /** The lanes that gave jobs last, the newest at the end. */
  #recent = new Map<string, LaneQuota>()

  /** @param askedAt when `rows` were asked for: of what was put off later they need not tell */
  renew(rows: readonly LaneRow[], now: number, askedAt = now): void {
    this.#renewedAt = now
    this.#lanes = new Map(rows.map((row) => [keyOf(row), laneOf(row, now)]))
    this.#vain = this.#isShort && rows.some((row) => row.bundled) ? this.#vain + 1 : 0
    this.#isShort = false
    this.#isDrained = false
    if (this.#expectedAt <= askedAt) this.#expectedAt = Number.POSITIVE_INFINITY
  }

  /**
   * A job of some lane of the queue will be due then.
   *
   * @returns whether it is the first of which this is known
   */
  expect(at: number): boolean {
    if (at >= this.#expectedAt) return false
    this.#expectedAt = at
    return true
  }

  /** Of what is known to wait nothing can be had now. */
  clear(now: number): void {
    this.#renewedAt = now
    this.#lanes = new Map()
  }

  /** The queue as a whole gives nothing before `until`: its own limit is reached. */
  close(until: number): void {
    this.#closedUntil = until
  }

  isStale(now: number): boolean {
    return now - this.#renewedAt >= STALE_MS
  }

  hasDue(now: number): boolean {
    return this.#open(now).next().done === false
  }

  /** Whether a due lane waits for a slot of its key's limit. */
  get hasFull(): boolean {
    return this.#lanes.values().some((lane) => lane.free === 0)
  }

  /** Milliseconds until the next known job may be claimed, or a lane that gave too little is to be looked at again; null where nothing is known. */
  nextDueMs(now: number): number | null {
    const times = [...this.#lanes.values()].filter((lane) => lane.free > 0).map((lane) => lane.dueAt - now)
    if (this.#expectedAt < Number.POSITIVE_INFINITY) times.push(this.#expectedAt - now)
    if (this.#isDrained) times.push(NEXT_DUE_MS)
    if (this.#isShort) times.push(Math.min(SHORT_MS.max, SHORT_MS.first * 2 ** this.#vain))
    return times.length === 0 ? null : Math.max(0, Math.min(...times), this.#closedUntil - now)
  }

  /**
   * Shares `wanted` places among the organisations with due jobs, evenly, whoever has more: a burst of one cannot starve
   * another. Within an organisation the lane goes first whose oldest job has waited longest, priority counted as waiting.
   */
  plan(wanted: number, now: number): LaneQuota[] {
    const tenants = Map.groupBy(this.#open(now), (lane) => lane.tenant)
    const turn = [...tenants.keys()]
    if (turn.length === 0) return []
    // Where there are more organisations than places, the next claim begins where this one ended.
    this.#turn %= turn.length
    const share = Math.ceil(wanted / turn.length)
    const quotas: LaneQuota[] = []
    for (let left = wanted, served = 0; left > 0 && served < turn.length; served += 1) {
      const lanes = tenants.get(turn[(this.#turn + served) % turn.length]!)!
      const { tenant, priority, limit_key, bundled, limit_max, headUs, free } = lanes.reduce((best, lane) => (agedMs(lane) < agedMs(best) ? lane : best))
      const limit = Math.min(share, left, free)
      quotas.push({ tenant, priority, limit_key, bundled, limit_max, after_us: headUs, limit })
      left -= limit
    }
    this.#turn += quotas.length
    return quotas
  }

  /** A guess without knowledge: the lanes that gave jobs last. An idle supervisor that is woken tries them at once. */
  recall(wanted: number): LaneQuota[] {
    const recent = [...this.#recent.values()]
    return recent.map((quota) => ({ ...quota, limit: Math.max(1, Math.floor(wanted / recent.length)) })).slice(0, wanted)
  }

  /** Learns from what a claim returned: a lane that gave less than it was asked for is dry, the others begin later now. */
  learn(quotas: readonly LaneQuota[], claimed: readonly ClaimedRow[]): void {
    const received = quotas.map(() => ({ count: 0, lastUs: 0 }))
    if (claimed.length > 0) this.#vain = 0
    for (const job of claimed) {
      const lane = received[job.lane - 1]!
      lane.count += 1
      lane.lastUs = Math.max(lane.lastUs, job.due_us)
    }
    for (const [index, quota] of quotas.entries()) {
      const { count, lastUs } = received[index]!
      const lane = this.#lanes.get(keyOf(quota))
      if (count > 0) this.#remember({ ...quota, after_us: lastUs })
      if (count < quota.limit) {
        this.#lanes.delete(keyOf(quota))
        this.#isShort ||= quota.bundled
        this.#isDrained ||= count > 0
      } else if (lane) {
        lane.headUs = lastUs
        lane.free -= count
      }
    }
  }

  #remember(quota: LaneQuota): void {
    if (quota.limit_key !== '') return
    this.#recent.delete(keyOf(quota))
    this.#recent.set(keyOf(quota), quota)
    if (this.#recent.size > RECENT_MAX) this.#recent.delete(this.#recent.keys().next().value!)
  }

  #open(now: number): IteratorObject<Lane> {
    return this.#lanes.values().filter((lane) => lane.dueAt <= now && lane.free > 0 && this.#closedUntil <= now)
  }
}

function laneOf(row: LaneRow, now: number): Lane {
  const { tenant, priority, limit_key, bundled, limit_max, held, head_us, due_in_ms } = row
  const free = limit_max === null ? Number.POSITIVE_INFINITY : Math.max(0, limit_max - held)
  return { tenant, priority, limit_key, bundled, limit_max, free, headUs: head_us, dueAt: now + due_in_ms }
}

const keyOf = ({ tenant, priority, limit_key, bundled }: Pick<LaneRow, 'tenant' | 'priority' | 'limit_key' | 'bundled'>): string =>
  `${tenant} ${priority} ${bundled} ${limit_key}`
const agedMs = (lane: Lane): number => lane.headUs / 1_000 - lane.priority * AGEING_MS
