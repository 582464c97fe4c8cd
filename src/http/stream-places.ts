import { refusal } from './refusal.ts'

/** Six is what a browser opens to one host. */
const PER_USER = 6
const PER_PROCESS = 1_000

/** Bounds the streams that are open at a time, of one user and of this process. */
export class StreamPlaces {
  readonly #byUser = new Map<string, number>()
  #taken = 0

  get taken(): number {
    return this.#taken
  }

  /** @returns how to give the place back, once. @throws a refusal with 429 or 503 */
  take(userId: string): () => void {
    const own = this.#byUser.get(userId) ?? 0
    if (own >= PER_USER) throw refusal(429, `You have ${PER_USER} streams open already: close one.`, { headers: { 'retry-after': '10' } })
    if (this.#taken >= PER_PROCESS) throw refusal(503, 'Too many streams are open here. Try again soon.', { headers: { 'retry-after': '10' } })
    this.#byUser.set(userId, own + 1)
    this.#taken += 1
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#taken -= 1
      const left = this.#byUser.get(userId)! - 1
      if (left === 0) this.#byUser.delete(userId)
      else this.#byUser.set(userId, left)
    }
  }
}
