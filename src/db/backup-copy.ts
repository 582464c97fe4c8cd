import type { Readable, Writable } from 'node:stream'
import type pg from 'pg'
import { from, to } from 'pg-copy-streams'
import type { SequenceValue, TableShape } from './backup-tables.ts'

/** The rows of a table, in PostgreSQL's own text format. */
export function copyOut(client: pg.Client, { name, columns }: TableShape): Readable {
  const list = columns.map((column) => client.escapeIdentifier(column)).join(', ')
  return client.query(to(`copy (select ${list} from ${client.escapeIdentifier(name)}) to stdout`))
}

/** Takes rows that copyOut gave. */
export function copyIn(client: pg.Client, { name, columns }: TableShape): Writable {
  const list = columns.map((column) => client.escapeIdentifier(column)).join(', ')
  return client.query(from(`copy ${client.escapeIdentifier(name)} (${list}) from stdin`))
}

interface ForeignKey {
  table: string
  name: string
  definition: string
}

/**
 * Makes the tables ready to be filled in any order, by a role that need not be a superuser: foreign keys are taken off,
 * to be checked when they come back, triggers sleep, what the migrations put in is removed, and partitions of other
 * days than today's are made.
 */
export async function beginLoad(client: pg.Client, tables: readonly TableShape[]): Promise<ForeignKey[]> {
  const name = (text: string) => client.escapeIdentifier(text)
  const { rows: keys } = await client.query<ForeignKey>(
    `select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
       from pg_constraint where contype = 'f' and conparentid = 0 and connamespace = 'public'::regnamespace order by 1, 2`,
  )
  for (const key of keys) await client.query(`alter table ${key.table} drop constraint ${name(key.name)}`)
  for (const table of tables) await client.query(`alter table ${name(table.name)} disable trigger user`)
  await client.query(`truncate ${tables.map((table) => name(table.name)).join(', ')}`)
  for (const table of tables) for (const partition of table.partitions) await ensurePartition(client, table.name, partition)
  return keys
}

async function ensurePartition(client: pg.Client, table: string, { name, bound, row_security }: TableShape['partitions'][number]): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [client.escapeIdentifier(name)])
  if (rows[0]!.there) return
  await client.query(`create table ${client.escapeIdentifier(name)} partition of ${client.escapeIdentifier(table)} ${bound}`)
  if (row_security) await client.query(`alter table ${client.escapeIdentifier(name)} enable row level security`)
}

/** Ends what beginLoad began. @throws where a row refers to one that is not there */
export async function endLoad(
  client: pg.Client,
  tables: readonly TableShape[],
  keys: readonly ForeignKey[],
  sequences: readonly SequenceValue[],
): Promise<void> {
  for (const { name, value } of sequences) await client.query('select setval($1::regclass, $2::bigint)', [client.escapeIdentifier(name), value])
  for (const table of tables) await client.query(`alter table ${client.escapeIdentifier(table.name)} enable trigger user`)
  for (const key of keys) await client.query(`alter table ${key.table} add constraint ${client.escapeIdentifier(key.name)} ${key.definition}`)
}
