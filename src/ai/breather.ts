import { setImmediate as nextTurn } from 'node:timers/promises'

/** How long work may hold the event loop before others get their turn. */
const SLICE_MS = 15

/** Cuts long computation into slices: `await breather.pause()` in its loops gives the event loop back when one is used up. */
export class Breather {
  #end = performance.now() + SLICE_MS

  /** True where the slice is used up; asked first, because an await in an inner loop costs more than the work. */
  get due(): boolean {
    return performance.now() >= this.#end
  }

  async pause(signal?: AbortSignal): Promise<void> {
    if (!this.due) return
    await nextTurn()
    signal?.throwIfAborted()
    this.#end = performance.now() + SLICE_MS
  }
}
