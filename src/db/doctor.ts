import { z } from 'zod'
import { sql } from './sql.ts'
import { ROLES } from './users.ts'
import type { CommonQueryMethods } from './pool.ts'

const serverRow = z.object({ version: z.number(), version_text: z.string(), now: z.date() })

/** The server's version (150004 is 15.4) and its clock. */
export async function serverFacts(db: CommonQueryMethods): Promise<z.infer<typeof serverRow>> {
  return db.one(sql.type(serverRow)`
    select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text, clock_timestamp() as now`)
}

const roleRow = z.object({ role: z.string(), is_superuser: z.boolean(), bypasses_rls: z.boolean(), owned_tables: z.number() })

/** Who the connection is, and what of that would take row-level security off it. */
export async function roleFacts(db: CommonQueryMethods): Promise<z.infer<typeof roleRow>> {
  return db.one(sql.type(roleRow)`
    select current_user::text as role, rolsuper as is_superuser, rolbypassrls as bypasses_rls,
           (select count(*)::int from pg_class where relowner = pg_roles.oid and relkind in ('r', 'p')) as owned_tables
      from pg_roles where rolname = current_user`)
}

/** The tables with an organisation's rows that row-level security does not guard. */
export async function unguardedTables(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ name: z.string() }))`
    select relname::text as name
      from pg_class join pg_attribute on attrelid = pg_class.oid
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity and attname = 'organization_id' and not attisdropped
     order by relname`)
}

/** For how many days from tomorrow on job_events has a partition. */
export async function partitionDaysAhead(db: CommonQueryMethods): Promise<number> {
  return db.oneFirst(sql.type(z.object({ days: z.number() }))`
    select count(*)::int as days
      from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'job_events'::regclass and relname ~ '^job_events_[0-9]{8}$' and relname > 'job_events_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')`)
}

/** How many rows job_log_violations has, counted up to `limit`. Reads the whole log. */
export async function countViolations(db: CommonQueryMethods, limit: number): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`select count(*)::int as count from (select from job_log_violations limit ${limit}) as violation`)
}

/** Ends the statements of this transaction that take longer. */
export async function limitStatements(tx: CommonQueryMethods, milliseconds: number): Promise<void> {
  await tx.query(sql.unsafe`select set_config('statement_timeout', ${`${milliseconds}ms`}, true)`)
}

/** How many connections processes of the API have to this database. */
export async function countApiConnections(db: CommonQueryMethods): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) as count from pg_stat_activity where datname = current_database() and application_name = 'atum-desk api'`)
}

/** Indexes that a broken-off build has left: nobody reads them, and every write pays for them. */
export async function invalidIndexes(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ name: z.string() }))`
    select indexrelid::regclass::text as name from pg_index join pg_class on pg_class.oid = indexrelid
     where not indisvalid and relnamespace = 'public'::regnamespace order by 1`)
}

const callerRow = z.object({ user_id: z.string(), organization_id: z.string().nullable(), role: z.enum(ROLES) })

/** One admin and one operator, in whose names the routes are tried. */
export async function findCallers(db: CommonQueryMethods): Promise<readonly z.infer<typeof callerRow>[]> {
  return db.any(sql.type(callerRow)`
    select distinct on (role) id as user_id, organization_id, role from users
     where role in ('admin', 'operator') and is_active order by role, created_at`)
}
