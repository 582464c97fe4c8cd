/** Serials of this process; a worker's id is never used again, so both together name a lease for ever. */
let lastSerial = 0

/** The newest serial. What has a higher one was asked for later. */
export function newestSerial(): number {
  return lastSerial
}

/** The leases of one supervisor: how many jobs of each are still here. When the last has left, the lease's row may go. */
export class Leases {
  readonly #jobs = new Map<number, number>()
  #ended: number[] = []

  /** A lease that is being asked for. */
  begin(): number {
    lastSerial += 1
    this.#jobs.set(lastSerial, 0)
    return lastSerial
  }

  /** So many jobs came with it; without any, no row was made. */
  hold(serial: number, jobs: number): void {
    if (jobs === 0) this.#jobs.delete(serial)
    else this.#jobs.set(serial, jobs)
  }

  jobLeft(serial: number): void {
    const jobs = this.#jobs.get(serial)
    if (jobs === undefined) return
    if (jobs > 1) return void this.#jobs.set(serial, jobs - 1)
    this.#jobs.delete(serial)
    this.#ended.push(serial)
  }

  /** Nobody here knows any more what came of it: its row stays, for the census to turn it into claims. */
  abandon(serial: number): void {
    this.#jobs.delete(serial)
  }

  /** Those whose rows may go, once. */
  takeEnded(): number[] {
    const ended = this.#ended
    this.#ended = []
    return ended
  }

  /** The rows of these could not be removed yet. */
  giveBack(serials: readonly number[]): void {
    this.#ended.push(...serials)
  }

  /** Leases that are known here, and no concern of the census. */
  get serials(): number[] {
    return [...this.#jobs.keys(), ...this.#ended]
  }
}
