import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { ask } from './database.ts'

/** What the numbers were measured on. */
export interface Machine {
  cpu: string
  cores: number
  memory_gib: number
  /** Load average of the last minute before the suite began: above 0.5 somebody else was at work. */
  load_before: number
  node: string
  postgresql: Record<string, string>
}

const SETTINGS = [
  'server_version',
  'shared_buffers',
  'max_wal_size',
  'checkpoint_timeout',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'autovacuum',
  'max_connections',
  'jit',
]

export async function readMachine(url: string): Promise<Machine> {
  const settings = await ask<{ name: string; value: string }>(url, 'select name, current_setting(name) as value from unnest($1::text[]) as name', [SETTINGS])
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    load_before: loadavg()[0]!,
    node: process.version,
    postgresql: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
  }
}

export function describeMachine({ cpu, cores, memory_gib, load_before, node, postgresql }: Machine): string {
  const { server_version, ...settings } = postgresql
  const list = Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  return `On ${cores} x ${cpu}, ${memory_gib} GiB, load ${load_before.toFixed(2)} before, Node ${node}, PostgreSQL ${server_version} (${list}).`
}

/** Begins to watch the cores; what it returns tells the share of their time, 0 to 1, in which they did something since. */
export function coresUsed(): () => number {
  const before = coreTimes()
  return () => {
    const now = coreTimes()
    return 1 - (now.idle - before.idle) / (now.all - before.all)
  }
}

function coreTimes(): { idle: number; all: number } {
  const times = cpus().flatMap((core) => Object.entries(core.times))
  const sum = (of: [string, number][]) => of.reduce((total, [, ms]) => total + ms, 0)
  return { idle: sum(times.filter(([kind]) => kind === 'idle')), all: sum(times) }
}
