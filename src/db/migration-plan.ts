import { z } from 'zod'
import { readScripts } from './migration-files.ts'
import { pendingMigrations, withClient } from './migrations.ts'
import type { MigrateOptions } from './migrations.ts'

/** What a statement keeps the others from while its transaction lasts. */
type Blocks = 'reads and writes' | 'writes' | 'nothing'

/** A table that is there already, and that a migration touches. */
export interface Touch {
  table: string
  statement: string
  blocks: Blocks
  /** As the planner estimates them. */
  rows: number
  bytes: number
}

export interface PlannedMigration {
  name: string
  /** False: statement by statement, so that nothing is held up. */
  transaction: boolean
  touches: Touch[]
}

/** What a statement locks, by its first words. What is not here locks no table that others use. */
const STATEMENTS: { matches: RegExp; blocks: Blocks }[] = [
  { matches: /\b(alter table)\s+(?:if exists\s+)?(?:only\s+)?"?(\w+)/gi, blocks: 'reads and writes' },
  { matches: /\b(drop table)\s+(?:if exists\s+)?"?(\w+)/gi, blocks: 'reads and writes' },
  { matches: /\b(truncate)\s+(?:table\s+)?"?(\w+)/gi, blocks: 'reads and writes' },
  { matches: /\b(create (?:or replace )?(?:constraint )?trigger)\s+[^;]*?\son\s+"?(\w+)/gi, blocks: 'writes' },
  { matches: /\b((?:create|drop|alter) policy)\s+[^;]*?\son\s+"?(\w+)/gi, blocks: 'reads and writes' },
  { matches: /\b(create (?:unique )?index)\s+(?!concurrently)(?:if not exists\s+)?\w*\s*on\s+(?:only\s+)?"?(\w+)/gi, blocks: 'writes' },
  { matches: /\b(create (?:unique )?index concurrently)\s+(?:if not exists\s+)?\w*\s*on\s+"?(\w+)/gi, blocks: 'nothing' },
  { matches: /^\s*(update)\s+"?(\w+)/gim, blocks: 'nothing' },
  { matches: /^\s*(delete from)\s+"?(\w+)/gim, blocks: 'nothing' },
]

/** What `migrate` would do, and whom it would hold up. Reads only. */
export async function planMigrations(url: string, direction: 'up' | 'down', options: MigrateOptions = {}): Promise<PlannedMigration[]> {
  const sizes = await tableSizes(url)
  const names = await pendingMigrations(url, direction, options)
  return Promise.all(
    names.map(async (name) => {
      const script = (await readScripts(name, options.folder))[direction]
      return { name, transaction: script.statements === null, touches: touchesOf(script.text, sizes) }
    }),
  )
}

type Sizes = ReadonlyMap<string, { rows: number; bytes: number }>

function touchesOf(text: string, sizes: Sizes): Touch[] {
  // Comments and the bodies of functions are no statements of the migration.
  const plain = text.replaceAll(/--.*$/gm, '').replaceAll(/\$(\w*)\$[^]*?\$\1\$/g, '')
  const found = new Map<string, Touch>()
  for (const { matches, blocks } of STATEMENTS) {
    for (const [, statement = '', table = ''] of plain.matchAll(matches)) {
      const size = sizes.get(table)
      if (size) found.set(`${statement.toLowerCase()} ${table}`, { table, statement: statement.toLowerCase(), blocks, ...size })
    }
  }
  return [...found.values()]
}

const sizeRow = z.object({ name: z.string(), rows: z.coerce.number(), bytes: z.coerce.number() })

async function tableSizes(url: string): Promise<Sizes> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `select relname as name, greatest(0, reltuples) as rows, pg_total_relation_size(oid) as bytes
         from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
    )
    return new Map(rows.map((row) => sizeRow.parse(row)).map(({ name, rows, bytes }) => [name, { rows, bytes }]))
  })
}
