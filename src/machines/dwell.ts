/** Times of an actor are kept by how long they were, to a twelfth: eight classes each time that they double. */
const CLASSES_A_DOUBLING = 8
/** Shorter than this is told as this: nobody needs to know it better. */
const SHORTEST_MS = 0.01

/** The class of a time. Pure. */
export const classOf = (ms: number): number => Math.round(CLASSES_A_DOUBLING * Math.log2(Math.max(SHORTEST_MS, ms)))

/** The middle of a class, in milliseconds. Pure. */
const middleOf = (time: number): number => 2 ** (time / CLASSES_A_DOUBLING)

/** How long the quickest `share` of all took at most; null where there was none. Pure. */
export function shareOf(classes: ReadonlyMap<number, number>, share: number): number | null {
  const all = [...classes.values()].reduce((sum, count) => sum + count, 0)
  let before = 0
  for (const [time, count] of [...classes].toSorted(([a], [b]) => a - b)) {
    before += count
    if (before >= share * all) return middleOf(time)
  }
  return null
}
