/** Organisations whose models one process keeps; the least lately used goes first. */
const MAX_KEPT = 50
/** A key that counts up to a limit no longer changes at the limit: by then age makes what was computed stale. */
const MAX_AGE_MS = 3_600_000

interface Kept<Value> {
  key: string
  at: number
  value: Promise<Value>
}

/**
 * Keeps one computed thing per organisation for as long as it is fresh. Jobs that ask at the same time wait for the same
 * computation; one that failed is not kept.
 */
export class OrganizationCache<Value> {
  readonly #kept = new Map<string, Kept<Value>>()

  /** @param isFresh whether what was computed under the kept key still serves under `key` */
  get(organizationId: string, key: string, compute: () => Promise<Value>, isFresh: (kept: string) => boolean = (kept) => kept === key): Promise<Value> {
    const known = this.#kept.get(organizationId)
    this.#kept.delete(organizationId)
    if (known && performance.now() - known.at < MAX_AGE_MS && isFresh(known.key)) {
      this.#kept.set(organizationId, known)
      return known.value
    }
    const made: Kept<Value> = { key, at: performance.now(), value: compute() }
    this.#kept.set(organizationId, made)
    made.value.catch(() => {
      if (this.#kept.get(organizationId) === made) this.#kept.delete(organizationId)
    })
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > MAX_KEPT && !oldest.done) this.#kept.delete(oldest.value)
    return made.value
  }
}
