/** Scopes that are remembered at most; the oldest is forgotten first. */
const SCOPES_MAX = 1_000

/** Loads a value once for everybody who asks within `maxAgeMs`, per scope. A failure is not remembered. */
export class ShortCache<Value> {
  readonly #maxAgeMs: number
  readonly #values = new Map<string, { at: number; value: Promise<Value> }>()

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs
  }

  get(scope: string, load: () => Promise<Value>): Promise<Value> {
    const known = this.#values.get(scope)
    if (known && performance.now() - known.at < this.#maxAgeMs) return known.value
    const entry = { at: performance.now(), value: load() }
    this.#values.delete(scope)
    this.#values.set(scope, entry)
    if (this.#values.size > SCOPES_MAX) this.#values.delete(this.#values.keys().next().value!)
    entry.value.catch(() => {
      if (this.#values.get(scope) === entry) this.#values.delete(scope)
    })
    return entry.value
  }
}
