import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const parts = z.object({ baseline: z.boolean(), bookkeeping: z.boolean(), engine: z.boolean() })

/** Asks for nothing, to see whether an answer comes. */
export async function ping(db: CommonQueryMethods): Promise<void> {
  await db.query(sql.typeAlias('void')`select`)
}

/** Which parts of the schema are there. */
export async function findSchemaParts(db: CommonQueryMethods): Promise<z.infer<typeof parts>> {
  return db.one(sql.type(parts)`
    select to_regclass('tickets') is not null as baseline,
           to_regclass('schema_migrations') is not null as bookkeeping,
           to_regclass('workers') is not null and to_regclass('job_ready') is not null as engine`)
}

/** The names of the migrations that the database has. */
export async function appliedMigrations(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ name: z.string() }))`select name from schema_migrations order by name`)
}

/** How many workers live: active or draining, with a heartbeat within `lostMs`. */
export async function countWorkersAlive(db: CommonQueryMethods, lostMs: number): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) as count from workers
     where status in ('active', 'draining') and heartbeat_at > now() - ${lostMs} * interval '1 millisecond'`)
}
