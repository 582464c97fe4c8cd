import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MigrationBuilder, RunnerOption } from 'node-pg-migrate'

type LoaderStrategy = NonNullable<RunnerOption['migrationLoaderStrategies']>[number]

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url))

/** One direction of a migration: one transaction, or statement by statement where the file asks for that. */
export interface Script {
  text: string
  /** Each one for itself; null: all in one transaction. */
  statements: string[] | null
}

/**
 * A migration's file: `-- Up Migration`, `-- Down Migration`. A part that has a line `-- Without transaction` is carried
 * out statement by statement, for `create index concurrently`; each statement must then bear being repeated, since what
 * breaks off is not undone.
 */
export function scriptsOf(content: string): { up: Script; down: Script } {
  const down = content.search(/^-- Down Migration/m)
  if (!/^-- Up Migration/m.test(content) || down === -1) throw new Error('A migration has an "-- Up Migration" and a "-- Down Migration" after it')
  return { up: scriptOf(content.slice(0, down)), down: scriptOf(content.slice(down)) }
}

function scriptOf(text: string): Script {
  if (!/^-- Without transaction/m.test(text)) return { text, statements: null }
  const statements = text
    .replaceAll(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter(Boolean)
  return { text, statements }
}

export async function readScripts(name: string, folder = MIGRATIONS_FOLDER): Promise<{ up: Script; down: Script }> {
  return scriptsOf(await readFile(join(folder, `${name}.sql`), 'utf8'))
}

/** The names of all migrations of this version, oldest first: `20260101000000_baseline`, ... */
export async function knownMigrations(folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const files = await readdir(folder)
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -4))
    .toSorted()
}

/** How the runner reads our files. */
export const sqlLoader: LoaderStrategy = {
  extensions: ['.sql'],
  loader: (paths) =>
    Promise.all(
      paths.map(async (path) => {
        const { up, down } = scriptsOf(await readFile(path, 'utf8'))
        return { id: basename(path), filePaths: [path], actions: { up: actionOf(up), down: actionOf(down) } }
      }),
    ),
}

function actionOf({ text, statements }: Script): (pgm: MigrationBuilder) => void {
  return (pgm) => {
    if (statements !== null) pgm.noTransaction()
    // Statement by statement it holds up nobody while it waits for the transactions before it.
    for (const statement of statements === null ? [text] : ['set lock_timeout = 0', ...statements]) pgm.sql(statement)
  }
}
