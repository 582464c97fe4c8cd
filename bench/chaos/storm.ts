import { setTimeout as pause } from 'node:timers/promises'
import { Chance } from './chance.ts'
import { FAULT_EVERY_MS, FAULTS } from './faults.ts'
import type { Repair, World } from './faults.ts'
import type { Workload } from './workload.ts'

const TICK_MS = 50
const ENQUEUE_EVERY_MS = 250
const MEDDLE_EVERY_MS = 100
const SAMPLE_EVERY_MS = 500

/** What was done and seen while the storm lasted. */
export interface Log {
  /** How often each fault was injected. */
  faults: Record<string, number>
  /** The most jobs of one limit key that were ever seen held at a time. */
  heldMax: number
}

export interface StormOptions {
  seed: number
  /** Jobs a second. */
  rate: number
  signal: AbortSignal
  say: (line: string) => void
}

/** Enqueues, meddles and injects faults until the signal fires; then what was stopped or paused goes on. */
export async function storm(world: World, workload: Workload, { seed, rate, signal, say }: StormOptions): Promise<Log> {
  const log: Log = { faults: Object.fromEntries(FAULTS.map(({ name }) => [name, 0])), heldMax: 0 }
  await Promise.all([
    injectFaults(world, new Chance(seed + 1), log, signal, say),
    repeat(ENQUEUE_EVERY_MS, signal, () => workload.enqueue(Math.ceil((rate * ENQUEUE_EVERY_MS) / 1_000))),
    repeat(MEDDLE_EVERY_MS, signal, () => workload.meddle()),
    repeat(SAMPLE_EVERY_MS, signal, async () => {
      log.heldMax = Math.max(log.heldMax, await mostHeld(world))
    }),
  ])
  return log
}

async function injectFaults(world: World, chance: Chance, log: Log, signal: AbortSignal, say: (line: string) => void): Promise<void> {
  const pending: { at: number; repair: Repair }[] = []
  let next = Date.now() + FAULT_EVERY_MS.to
  await repeat(TICK_MS, signal, async () => {
    for (const due of pending.filter(({ at }) => at <= Date.now())) {
      pending.splice(pending.indexOf(due), 1)
      await due.repair.run()
    }
    if (Date.now() < next) return
    next = Date.now() + chance.between(FAULT_EVERY_MS.from, FAULT_EVERY_MS.to)
    const fault = chance.weighted(FAULTS)
    const repair = await fault.inject(world, chance)
    if (repair === null) return
    say(fault.name)
    log.faults[fault.name]! += 1
    if (repair !== 'no repair') pending.push({ at: Date.now() + repair.afterMs, repair })
  })
  for (const { repair } of pending) await repair.run()
}

async function mostHeld({ owner }: World): Promise<number> {
  const [row] = await owner.query<{ held: number }>(
    `select coalesce(max(held), 0)::int as held from (select count(*) as held from job_slots where name like 'key %' group by name) as limits`,
  )
  return row!.held
}

async function repeat(everyMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work()
    await pause(everyMs, undefined, { signal }).catch(() => {})
  }
}
