import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const holder = z.object({ held_by: z.string(), transactions_old: z.number().nullable(), seconds_old: z.number().nullable() })

/** Who holds back the removal of dead rows, the oldest first. */
export async function readHorizon(db: CommonQueryMethods): Promise<readonly z.infer<typeof holder>[]> {
  return db.any(sql.type(holder)`select held_by, transactions_old, seconds_old from database_horizon()`)
}

const table = z.object({
  name: z.string(),
  live_rows: z.number(),
  dead_rows: z.number(),
  table_bytes: z.number(),
  index_bytes: z.number(),
  last_vacuum_at: z.date().nullable(),
})

/** The tables with the most bytes, by the server's own statistics; the days of the log are one table. */
export async function readTables(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof table>[]> {
  return db.any(sql.type(table)`
    select regexp_replace(relname, '^job_events_.*$', 'job_events') as name, sum(n_live_tup)::int8 as live_rows, sum(n_dead_tup)::int8 as dead_rows,
           sum(pg_table_size(relid))::int8 as table_bytes, sum(pg_indexes_size(relid))::int8 as index_bytes,
           max(greatest(last_vacuum, last_autovacuum)) as last_vacuum_at
      from pg_stat_user_tables where schemaname = 'public'
     group by 1 order by sum(pg_total_relation_size(relid)) desc limit ${limit}`)
}

const index = z.object({
  name: z.string(),
  table_name: z.string(),
  bytes: z.number(),
  entries: z.number(),
  bytes_per_entry: z.number().nullable(),
  scans: z.number(),
})

/**
 * The largest B-trees that are in use, with their bytes an entry: what a bloated index has many of. A fresh entry takes 20 to 100.
 * The number of entries is the planner's, as of the last vacuum or analyze.
 */
export async function readIndexes(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof index>[]> {
  return db.any(sql.type(index)`
    select stat.indexrelname::text as name, stat.relname::text as table_name, pg_relation_size(stat.indexrelid) as bytes,
           greatest(class.reltuples, 0)::int8 as entries,
           case when class.reltuples >= 1000 then (pg_relation_size(stat.indexrelid) / class.reltuples)::float8 end as bytes_per_entry,
           coalesce(stat.idx_scan, 0)::int8 as scans
      from pg_stat_user_indexes stat join pg_class class on class.oid = stat.indexrelid join pg_am am on am.oid = class.relam
     where schemaname = 'public' and amname = 'btree'
     order by pg_relation_size(stat.indexrelid) desc limit ${limit}`)
}

const partitions = z.object({ days: z.number(), oldest: z.string().nullable(), newest: z.string().nullable(), stray_rows: z.boolean() })

/** The days that the log has partitions for, and whether an event lies outside of them all. */
export async function readPartitions(db: CommonQueryMethods): Promise<z.infer<typeof partitions>> {
  return db.one(sql.type(partitions)`
    select count(*)::int as days, min(day) as oldest, max(day) as newest, pg_relation_size('job_events_default') > 0 as stray_rows
      from (select to_char(to_date(substr(relname, 12), 'YYYYMMDD'), 'YYYY-MM-DD') as day
              from pg_inherits join pg_class on pg_class.oid = inhrelid
             where inhparent = 'job_events'::regclass and relname ~ '^job_events_[0-9]{8}$') as kept`)
}

const server = z.object({
  version: z.string(),
  started_at: z.date(),
  now: z.date(),
  connections: z.number(),
  connections_max: z.number(),
  is_standby: z.boolean(),
  wraparound_share: z.number(),
  database_bytes: z.number(),
})

/** The server, its clock, and how near it is to what it cannot exceed. */
export async function readServer(db: CommonQueryMethods): Promise<z.infer<typeof server>> {
  return db.one(sql.type(server)`
    select current_setting('server_version') as version, pg_postmaster_start_time() as started_at, clock_timestamp() as now,
           (select sum(numbackends)::int from pg_stat_database) as connections,
           current_setting('max_connections')::int as connections_max, pg_is_in_recovery() as is_standby,
           (select max(age(datfrozenxid))::float8 / 2147483648 from pg_database) as wraparound_share,
           pg_database_size(current_database()) as database_bytes`)
}

const violation = z.object({ job_id: z.number(), seq: z.number(), rule: z.string() })
export type Violation = z.infer<typeof violation>

/**
 * What in the logs of the newest jobs is no path of the machine. The whole log has the same question in job_log_violations,
 * which reads all of it; this one reads what was logged since the first of them was created.
 */
export async function findViolations(db: CommonQueryMethods, jobs: number, limit: number): Promise<readonly Violation[]> {
  return db.any(sql.type(violation)`
    with newest as (
      select id, status, version, attempt, created_at from job_queue order by id desc limit ${jobs}
    ), log as (
      select job_id, seq, event, from_state, to_state, attempt,
             lag(seq) over by_seq as previous_seq, lag(to_state) over by_seq as previous_state, lead(seq) over by_seq is null as is_last
        from job_events
       where job_id between (select min(id) from newest) and (select max(id) from newest)
         and at >= (select min(created_at) from newest) - interval '1 second'
      window by_seq as (partition by job_id order by seq)
    )
    select job_id, seq, 'illegal edge' as rule from log
     where not exists (select from job_edges edge where edge.event = log.event and edge.from_state is not distinct from log.from_state and edge.to_state = log.to_state)
    union all
    select job_id, seq, 'gap' from log where seq <> previous_seq + 1
    union all
    select job_id, seq, 'broken chain' from log where seq = previous_seq + 1 and from_state is distinct from previous_state
    union all
    select id, version, 'row and log differ' from newest join log on log.job_id = id
     where is_last and (status <> to_state or version <> seq or newest.attempt <> log.attempt)
    union all
    select id, version, 'no log' from newest
     where not exists (select from log where log.job_id = id) and created_at > now() - interval '1 day'
    limit ${limit}`)
}
