import { InvalidArgumentError } from 'commander'

/** Each `every`-th row, from the `from`-th on, counted from 1. */
export interface HoldOut {
  from: number
  every: number
}

/** Reads the option `K/N`. */
export function holdOut(text: string): HoldOut {
  const [from, every] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text)?.slice(1) ?? []).map(Number)
  if (from === undefined || every === undefined || every < 2 || from < 1 || from > every)
    throw new InvalidArgumentError('It must be like 1/5: each fifth row, from the first on.')
  return { from, every }
}

/** The rows that are held out, and the others; where `learned` is given, so many of the others, evenly spaced. */
export function parted<T>(rows: readonly T[], { from, every }: HoldOut, learned = rows.length): { train: T[]; test: T[] } {
  const parts = Object.groupBy(rows, (_, index) => (index % every === from - 1 ? 'test' : 'train'))
  const [others, test] = [parts.train ?? [], parts.test ?? []]
  const count = Math.min(learned, others.length)
  return { train: Array.from({ length: count }, (_, index) => others[Math.floor((index * others.length) / count)]!), test }
}
