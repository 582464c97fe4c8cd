/** How often something may crash before its supervisor gives up: `crashes` within `withinMs`. */
export interface RestartBudget {
  crashes: number
  withinMs: number
}

/** Counts crashes against a budget; a supervisor asks it before it starts a child again. */
export class CrashCounter {
  #times: number[] = []
  readonly budget: RestartBudget

  constructor(budget: RestartBudget) {
    this.budget = budget
  }

  /** Whether one more crash at `now` (any monotonic milliseconds) is above the budget. */
  isSpent(now: number): boolean {
    return this.#recent(now).length >= this.budget.crashes
  }

  add(now: number): void {
    this.#times = [...this.#recent(now), now]
  }

  get total(): number {
    return this.#times.length
  }

  #recent(now: number): number[] {
    return this.#times.filter((time) => now - time < this.budget.withinMs)
  }
}
