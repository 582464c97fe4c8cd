import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findViolations, readHorizon, readIndexes, readPartitions, readServer, readTables } from '#db/database-health.ts'
import { limitStatements, partitionDaysAhead } from '#db/doctor.ts'
import { sqlState } from '#db/errors.ts'
import type { RouteOptions } from '../services.ts'
import { ShortCache } from '../short-cache.ts'

const KEPT_MS = 10_000
const STATEMENT_MS = 3_000
const TABLES_MAX = 12
const INDEXES_MAX = 12
/** Jobs whose log is held against the machine each time; the whole log is asked by job_log_violations. */
const CHECKED_JOBS = 5_000
const CHECKED_JOBS_MIN = 50
const QUERY_CANCELED = '57014'
const VIOLATIONS_MAX = 50

const report = z
  .object({
    server: z.object({
      version: z.string(),
      started_at: z.date(),
      connections: z.number(),
      connections_max: z.number(),
      is_standby: z.boolean(),
      wraparound_share: z.number().describe('How much of the way to transaction wraparound is gone'),
      database_bytes: z.number(),
    }),
    clock: z.object({
      skew_ms: z.number().describe("How far this server's clock is ahead of the database's"),
      uncertainty_ms: z.number().describe('Half of the round trip: the skew is no better known than that'),
    }),
    horizon: z
      .array(z.object({ held_by: z.string(), transactions_old: z.number().nullable(), seconds_old: z.number().nullable() }))
      .describe('Who keeps dead rows from being removed, the oldest first; empty where nobody does'),
    tables: z.array(
      z.object({
        name: z.string(),
        live_rows: z.number(),
        dead_rows: z.number(),
        table_bytes: z.number(),
        index_bytes: z.number(),
        last_vacuum_at: z.date().nullable(),
      }),
    ),
    indexes: z.array(
      z.object({ name: z.string(), table_name: z.string(), bytes: z.number(), entries: z.number(), bytes_per_entry: z.number().nullable(), scans: z.number() }),
    ),
    partitions: z.object({
      days: z.number(),
      oldest: z.string().nullable(),
      newest: z.string().nullable(),
      days_ahead: z.number(),
      stray_rows: z.boolean().describe('Whether an event lies outside of all days'),
    }),
    conformance: z.object({
      checked_jobs: z.number(),
      violations: z.array(z.object({ job_id: z.number(), seq: z.number(), rule: z.string() })).describe('Must be empty'),
    }),
  })
  .meta({ id: 'DatabaseHealth' })

/** How the database stands that everything stands on. */
export const databaseHealthRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const cache = new ShortCache<z.infer<typeof report>>(KEPT_MS)

  async function look(): Promise<Omit<z.infer<typeof report>, 'conformance'>> {
    return database.system.transaction(async (tx) => {
      await limitStatements(tx, STATEMENT_MS)
      const asked = Date.now()
      const began = performance.now()
      const { now, ...server } = await readServer(tx)
      const took = performance.now() - began
      return {
        server,
        clock: { skew_ms: Math.round(asked + took / 2 - now.getTime()), uncertainty_ms: Math.ceil(took / 2) },
        horizon: [...(await readHorizon(tx))],
        tables: [...(await readTables(tx, TABLES_MAX))],
        indexes: [...(await readIndexes(tx, INDEXES_MAX))],
        partitions: { ...(await readPartitions(tx)), days_ahead: await partitionDaysAhead(tx) },
      }
    })
  }

  /** Fewer jobs where so many cannot be read within the time: what was checked is said. */
  async function conform(jobs = CHECKED_JOBS): Promise<z.infer<typeof report>['conformance']> {
    try {
      const violations = await database.system.transaction(async (tx) => {
        await limitStatements(tx, STATEMENT_MS)
        return findViolations(tx, jobs, VIOLATIONS_MAX)
      })
      return { checked_jobs: jobs, violations: [...violations] }
    } catch (error) {
      if (sqlState(error) !== QUERY_CANCELED || jobs <= CHECKED_JOBS_MIN) throw error
      return conform(Math.ceil(jobs / 10))
    }
  }

  app.get(
    '/database/health',
    {
      schema: {
        summary: 'How the database stands: horizon, dead rows, indexes, partitions, clock, conformance of the log',
        tags: ['engine'],
        response: { 200: report },
      },
    },
    () => cache.get('installation', async () => ({ ...(await look()), conformance: await conform() })),
  )
}
