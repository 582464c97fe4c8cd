import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { attachmentsDirectory } from '#config.ts'
import type { Config } from '#config.ts'
import { hasEndpoint, readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { listDependencies } from '#db/dependencies.ts'
import type { DependencyRow } from '#db/dependencies.ts'
import { hasRefusedForSpace } from '#db/disk-space.ts'
import { embeddingsFault, readEmbeddingsStanding } from '#db/embeddings.ts'
import { appliedMigrations, countWorkersAlive, findSchemaParts } from '#db/health.ts'
import { oldestDue } from '#db/job-lists.ts'
import { knownMigrations } from '#db/migrations.ts'
import type { CommonQueryMethods, Database } from '#db/pool.ts'

/** Less room for attachments than this is too little. */
const ROOM_MIN_BYTES = 64 << 20
const ROOM_PATIENCE_MS = 500
/** A health check that hangs is worse than one that fails. */
const PATIENCE_MS = 1_500

export interface StorageReport {
  /** Full: PostgreSQL refused to write in the last minute, for want of room. */
  database: 'ok' | 'full' | 'unknown'
  attachments: 'ok' | 'full' | 'unknown'
}

export interface HealthReport {
  status: 'ok' | 'degraded' | 'unhealthy'
  /** Null where that cannot be known. */
  workers_alive: number | null
  checks: {
    database: { status: 'ok' | 'down'; latency_ms: number | null }
    migrations: { status: 'ok' | 'pending' | 'missing' | 'unknown'; applied: number | null; pending: string[] }
    workers: { status: 'ok' | 'none' | 'unknown'; alive: number | null }
    oldest_due_seconds: number | null
    storage: StorageReport
    /** What is called beside the database, as workers last saw it. */
    dependencies: DependencyRow[]
    /** Whether texts become vectors, and why not. */
    embeddings: { status: 'ok' | 'off' | 'fault'; detail: string | null }
  }
}

const DOWN: HealthReport = {
  status: 'unhealthy',
  workers_alive: null,
  checks: {
    database: { status: 'down', latency_ms: null },
    migrations: { status: 'unknown', applied: null, pending: [] },
    workers: { status: 'unknown', alive: null },
    oldest_due_seconds: null,
    storage: { database: 'unknown', attachments: 'unknown' },
    dependencies: [],
    embeddings: { status: 'off', detail: null },
  },
}

/** How the service stands: unhealthy where it can serve nothing, degraded where it serves and something is missing. */
export async function reportHealth(database: Database, config: Config): Promise<HealthReport> {
  return Promise.race([look(database, config).catch(() => DOWN), pause(PATIENCE_MS, DOWN, { ref: false })])
}

async function look(database: Database, config: Config): Promise<HealthReport> {
  const known = await knownMigrations()
  return database.system.connect(async (db) => {
    const began = performance.now()
    const parts = await findSchemaParts(db)
    const latency_ms = Math.round((performance.now() - began) * 10) / 10
    const applied = new Set(parts.bookkeeping ? await appliedMigrations(db) : [])
    const pending = known.filter((name) => !applied.has(name))
    const alive = parts.engine ? await countWorkersAlive(db, config.WORKER_LOST_MS) : null
    const oldest = parts.engine ? Math.max(0, ...(await oldestDue(db)).map((row) => row.seconds)) : null
    const storage = await storageOf(config)
    return {
      status: !parts.baseline ? 'unhealthy' : pending.length > 0 || !alive || Object.values(storage).includes('full') ? 'degraded' : 'ok',
      workers_alive: alive,
      checks: {
        database: { status: 'ok', latency_ms },
        migrations: { status: !parts.baseline ? 'missing' : pending.length > 0 ? 'pending' : 'ok', applied: applied.size, pending },
        workers: { status: alive === null ? 'unknown' : alive > 0 ? 'ok' : 'none', alive },
        oldest_due_seconds: oldest,
        storage,
        dependencies: pending.some((name) => name.endsWith('_language_model')) ? [] : [...(await listDependencies(db))],
        embeddings: await embeddingsOf(db),
      },
    }
  })
}

async function storageOf(config: Config): Promise<StorageReport> {
  const room = await Promise.race([roomOnce(attachmentsDirectory(config)), pause(ROOM_PATIENCE_MS, null, { ref: false })])
  return { database: hasRefusedForSpace() ? 'full' : 'ok', attachments: room === null ? 'unknown' : room < ROOM_MIN_BYTES ? 'full' : 'ok' }
}

const looking = new Map<string, Promise<number | null>>()
/** One look at a time: a file system that hangs holds one thread of this process, and not all of them. */
function roomOnce(folder: string): Promise<number | null> {
  const before = looking.get(folder)
  if (before) return before
  const look = roomIn(folder).finally(() => looking.delete(folder))
  looking.set(folder, look)
  return look
}

/** How many bytes fit into a folder, or into what it will be made in; null where that cannot be known. */
async function roomIn(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(folder) !== folder ? roomIn(dirname(folder)) : null
  }
}

async function embeddingsOf(db: CommonQueryMethods): Promise<HealthReport['checks']['embeddings']> {
  const config = readEmbeddingsConfig()
  if (!hasEndpoint(config)) return { status: 'off', detail: 'no embedding model is set' }
  const detail = embeddingsFault(await readEmbeddingsStanding(db), config.EMBEDDINGS_DIMENSIONS)
  return { status: detail === null ? 'ok' : 'fault', detail }
}
