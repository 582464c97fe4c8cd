import type { Config } from '#config.ts'
import type { EmbeddedPostgres } from '#db/embedded.ts'
import type { Database } from '#db/pool.ts'
import { setQueuePaused } from '#db/queues.ts'
import type { Chance } from './chance.ts'
import type { Fleet } from './fleet.ts'
import { insist } from './owner.ts'
import type { Owner } from './owner.ts'
import { QUEUES } from './workload.ts'

/** What faults are done to. */
export interface World {
  config: Config
  fleet: Fleet
  server: EmbeddedPostgres
  database: Database
  owner: Owner
}

/** What undoes a fault, and after how long. */
export interface Repair {
  afterMs: number
  run(): void | Promise<void>
}

/** A fault; it answers null where the world cannot bear it at the moment: one worker always goes on. */
export interface Fault {
  name: string
  weight: number
  inject(world: World, chance: Chance): Promise<Repair | 'no repair' | null>
}

const SPARE_MIN = 2

/** Pauses between two faults. */
export const FAULT_EVERY_MS = { from: 1_000, to: 5_000 } as const

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill -9 of a worker',
    weight: 8,
    inject: async ({ fleet }, chance) => {
      const victim = chance.pick(fleet.running)
      const afterMs = chance.between(500, 4_000)
      if (fleet.running.length < SPARE_MIN) return null
      fleet.kill(victim)
      return { afterMs, run: () => fleet.start(victim) }
    },
  },
  {
    name: 'SIGSTOP of a worker beyond its lease, then SIGCONT',
    weight: 4,
    inject: async ({ fleet, config }, chance) => {
      const victim = chance.pick(fleet.running)
      const afterMs = config.WORKER_LOST_MS + config.RESCUE_MS + chance.between(500, 5_000)
      if (fleet.running.length < SPARE_MIN) return null
      fleet.stop(victim)
      return { afterMs, run: () => fleet.goOn(victim) }
    },
  },
  {
    name: 'SIGSTOP of a worker for a moment',
    weight: 3,
    inject: async ({ fleet, config }, chance) => {
      const victim = chance.pick(fleet.running)
      const afterMs = chance.between(100, config.HEARTBEAT_MS)
      if (fleet.running.length < SPARE_MIN) return null
      fleet.stop(victim)
      return { afterMs, run: () => fleet.goOn(victim) }
    },
  },
  {
    name: 'kill -9 of PostgreSQL',
    weight: 2,
    inject: async ({ server }) => {
      process.kill(server.pid()!, 'SIGKILL')
      return 'no repair'
    },
  },
  {
    name: 'pg_terminate_backend',
    weight: 5,
    inject: async ({ owner }, chance) => {
      const share = chance.pick([0.3, 0.6, 1])
      await owner.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and random() <= $1`,
        [share],
      )
      return 'no repair'
    },
  },
  {
    name: 'pause of a queue',
    weight: 3,
    inject: async ({ database }, chance) => {
      const queue = chance.pick(QUEUES)
      const afterMs = chance.between(500, 4_000)
      await insist(() => setQueuePaused(database.system, queue, true))
      return { afterMs, run: () => resume(database, queue) }
    },
  },
]

async function resume(database: Database, queue: string): Promise<void> {
  await insist(() => setQueuePaused(database.system, queue, false))
}
