import type pg from 'pg'
import { z } from 'zod'

/** The bookkeeping of migrations is made anew by them. Vectors are by jobs, and another server may have no type for them. */
const MADE_ANEW = ['schema_migrations', 'rag_embeddings']

const partition = z.object({
  name: z.string(),
  /** `FOR VALUES FROM (...) TO (...)`, as PostgreSQL prints it. */
  bound: z.string().regex(/^(FOR VALUES (FROM|IN|WITH) \(.*|DEFAULT)$/),
  row_security: z.boolean(),
})
export const tableShape = z.object({ name: z.string(), columns: z.array(z.string()), partitions: z.array(partition) })
/** A table whose rows a backup holds; a partitioned one with its partitions. */
export type TableShape = z.infer<typeof tableShape>

export const fingerprint = z.object({ rows: z.number(), hash: z.string() })
/** What tells one content of a table from another, whatever the order of its rows. */
export type Fingerprint = z.infer<typeof fingerprint>

/** All rows, and the same text for the same value, whoever asks: for the transaction. */
export async function readAlike(client: pg.Client): Promise<void> {
  await client.query(`set local row_security = off; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';
    set local bytea_output = 'hex'; set local extra_float_digits = 1; set local search_path = public; set local statement_timeout = 0`)
}

/** The tables with rows, by name. A partition is part of its table; generated columns make themselves. */
export async function listTables(client: pg.Client): Promise<TableShape[]> {
  const { rows } = await client.query<{ table: unknown }>(
    `select json_build_object(
              'name', relname,
              'columns', (select json_agg(attname order by attnum) from pg_attribute
                           where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''),
              'partitions', (select coalesce(json_agg(json_build_object('name', child.relname, 'bound', pg_get_expr(child.relpartbound, child.oid), 'row_security', child.relrowsecurity)
                                                      order by child.relname), '[]')
                               from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = pg_class.oid)
            ) as table
       from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> all ($1)
        and not exists (select from pg_depend where objid = pg_class.oid and deptype = 'e')
      order by relname`,
    [MADE_ANEW],
  )
  return rows.map((row) => tableShape.parse(row.table))
}

/** Counts and hashes the rows on the server. */
export async function fingerprintOf(client: pg.Client, table: string): Promise<Fingerprint> {
  const { rows } = await client.query<{ rows: string; hash: string }>(
    `select count(*) as rows, coalesce(sum(hashtextextended(row_of::text, 0)::numeric), 0)::text as hash from ${client.escapeIdentifier(table)} as row_of`,
  )
  return { rows: Number(rows[0]!.rows), hash: rows[0]!.hash }
}

export const sequence = z.object({ name: z.string(), value: z.string().regex(/^-?\d+$/) })
/** A sequence that has been used, and the last number that it gave. */
export type SequenceValue = z.infer<typeof sequence>

/** To be read after the rows: a sequence is in no transaction, and must not lie behind them. */
export async function listSequences(client: pg.Client): Promise<SequenceValue[]> {
  const { rows } = await client.query<SequenceValue>(
    `select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public' and last_value is not null order by 1`,
  )
  return rows
}

/** Whether the database has no table at all. */
export async function isEmptyDatabase(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ empty: boolean }>(
    `select not exists (select from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')) as empty`,
  )
  return rows[0]!.empty
}

/** Whether the database has a table for vectors, whose rows are made anew. */
export async function hasVectors(client: pg.Client): Promise<boolean> {
  return (await client.query<{ there: boolean }>(`select to_regclass('public.rag_embeddings') is not null as there`)).rows[0]!.there
}

/** Where the bytes of each attachment lie, and their hash. */
export async function listAttachmentKeys(client: pg.Client): Promise<{ key: string; sha256: string }[]> {
  const { rows } = await client.query<{ key: string; sha256: string }>(`select storage_key as key, encode(sha256, 'hex') as sha256 from attachments order by 1`)
  return rows
}

/** Those of these attachments that are there now. */
export async function stillAttached(client: pg.Client, keys: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>('select storage_key as key from attachments where storage_key = any($1)', [keys])
  return rows.map((row) => row.key)
}
