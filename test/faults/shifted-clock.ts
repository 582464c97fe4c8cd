/** Sets the clock of a process wrong, by SHIFT_CLOCK_MS: for `node --import`. Timers and performance.now stay right. */
const shift = Number(process.env['SHIFT_CLOCK_MS'] ?? 0)
const RightDate = Date

globalThis.Date = class extends RightDate {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(RightDate.now() + shift)
    else super(...(given as [number]))
  }

  static override now(): number {
    return RightDate.now() + shift
  }
} as DateConstructor
