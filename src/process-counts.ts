import { AggregatorRegistry } from 'prom-client'
import { registry } from './metrics.ts'

/** What one process has counted, as it tells another one. */
export type Counts = Awaited<ReturnType<typeof registry.getMetricsAsJSON>>

let others: () => Promise<Counts> = async () => []

/** Has a scrape of this process tell what `read` gives as well: counts of a process that nobody else can ask. */
export function scrapeWith(read: () => Promise<Counts>): void {
  others = read
}

/** This process's metrics as Prometheus reads them, with those that it speaks for. */
export async function scrape(): Promise<string> {
  const [own, added] = await Promise.all([registry.getMetricsAsJSON(), others()])
  return added.length === 0 ? registry.metrics() : AggregatorRegistry.aggregate([own, added]).metrics()
}

/** What this process has counted. Its gauges are its own: its memory says nothing of another process. */
export async function ownCounts(): Promise<Counts> {
  const all = await registry.getMetricsAsJSON()
  return all.filter(({ name, type }) => String(type) !== 'gauge' && !name.startsWith('process_'))
}

/** Both together, series by series. */
export function addCounts(one: Counts, other: Counts): Promise<Counts> {
  return AggregatorRegistry.aggregate([one, other]).getMetricsAsJSON()
}
