import { useRef, useState } from 'preact/hooks'

/** A list that holds still while somebody points at it. */
export interface Held<Item> {
  /** What to show: the newest of each item, in the order in which they stood when the list was taken hold of. */
  items: Item[]
  /** How many came to stand above since then. */
  newer: number
  /** Shows them. */
  letGo: () => void
  /** To be put on what is pointed at. */
  holders: { onPointerEnter: () => void; onPointerLeave: () => void; onFocusIn: () => void; onFocusOut: () => void }
}

/** Keeps rows from jumping away under the mouse or the focus: they change where they stand, and new ones wait. */
export function useHeld<Item>(fresh: Item[], idOf: (item: Item) => number | string, key: string): Held<Item> {
  const [held, setHeld] = useState<{ key: string; ids: (number | string)[] } | null>(null)
  const shown = useRef<Item[]>(fresh)
  const hold = () => setHeld((before) => (before?.key === key ? before : { key, ids: shown.current.map(idOf) }))
  const letGo = () => setHeld(null)
  const known = new Map([...shown.current, ...fresh].map((item) => [idOf(item), item]))
  const items = held?.key === key && held.ids.length > 0 ? held.ids.flatMap((id) => known.get(id) ?? []) : fresh
  shown.current = items
  const newer = items === fresh ? 0 : fresh.filter((item) => !held!.ids.includes(idOf(item))).length
  return { items, newer, letGo, holders: { onPointerEnter: hold, onPointerLeave: letGo, onFocusIn: hold, onFocusOut: letGo } }
}
