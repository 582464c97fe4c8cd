import { createPgDriverFactory } from '@slonik/pg-driver'
import { createPool, SchemaValidationError } from 'slonik'
import type { CommonQueryMethods, DatabasePool, DatabaseTransactionConnection, Interceptor } from 'slonik'
import { BIND_ORGANIZATION, nameOrganization } from './bound-organization.ts'
import { noteFullDisk } from './disk-space.ts'
import { countWork, PlanAge } from './plan-age.ts'
import { isPooled } from './pooler.ts'
import { noteParts, partColumns, schemaParts } from './schema-parts.ts'
import { prepared, sql } from './sql.ts'
import { traceStatements } from './statement-traces.ts'

export type { CommonQueryMethods, DatabasePool, DatabaseTransactionConnection } from 'slonik'

/**
 * The two roles in which the service logs in: `app` acts for the bound organisation, `system` for the installation
 * (sign-in, job engine, operators). Neither owns a table.
 */
export interface Database {
  app: DatabasePool
  system: DatabasePool
  end(): Promise<void>
}

export interface PoolOptions {
  size: number
  name: string
}

/** Each row is checked by the schema of its statement; what the schema transforms is what the caller gets. */
const parseRows: Interceptor = {
  name: 'parse-rows',
  transformRow: (context, query, row) => {
    const schema = context.resultParser
    if (!schema) return row
    const parsed = schema['~standard'].validate(row)
    if (parsed instanceof Promise) throw new TypeError('row schemas must be synchronous')
    if (parsed.issues) throw new SchemaValidationError(query, row, parsed.issues)
    return parsed.value as typeof row
  },
}

/** Behind a pooler a prepared statement may be another connection's: there all are planned each time. */
const forgetNames: Interceptor = { name: 'forget-names', transformQuery: (_, { sql: text, values }) => ({ sql: text, values }) }

/** PostgreSQL's numbers and times as JavaScript has them: int8 to number (every id stays below 2^53), timestamptz to Date. */
const typeParsers = [
  { name: 'int8', parse: Number },
  { name: 'numeric', parse: Number },
  { name: 'timestamptz', parse: (text: string) => new Date(text) },
]

async function openPool(url: string, { size, name }: PoolOptions): Promise<DatabasePool> {
  const address = new URL(url)
  address.searchParams.set('application_name', name)
  const keepsPlans = !(await isPooled(address.href))
  const plans = new PlanAge(performance.now())
  const pool = await createPool(address.href, {
    driverFactory: createPgDriverFactory(),
    interceptors: [nameOrganization(), noteFullDisk, keepsPlans ? countWork(plans) : forgetNames, parseRows, ...traceStatements()],
    typeParsers,
    captureStackTrace: false,
    maxPoolSize: size,
    idleTimeout: 30_000,
    connectionTimeout: 5_000,
    connectionRetryLimit: 0,
    queryRetryLimit: 5,
    transactionRetryLimit: 5,
    statementTimeout: 'DISABLE_TIMEOUT',
    idleInTransactionSessionTimeout: 'DISABLE_TIMEOUT',
    // The default, DISCARD ALL, costs 0.4 ms a query. Nothing here leaves session state behind: every setting is transaction-local.
    resetConnection: async ({ query }) => {
      // The connection that was just used forgets, so the busiest ones do most often.
      if (keepsPlans && plans.isOver(performance.now())) await query('discard plans')
    },
  })
  return { ...pool, transaction: (work, retries) => transactionWithHooks(pool, work, retries) }
}

/** What is to happen when a transaction has committed. */
const hooks = new WeakMap<object, (() => void)[]>()

/** Runs `work` once the transaction of `db` has committed; at once where `db` is in none. What is rolled back runs nothing. */
export function afterCommit(db: CommonQueryMethods, work: () => void): void {
  const waiting = hooks.get(db)
  if (waiting) waiting.push(work)
  else work()
}

/** Runs `work` in the transaction of `db`, or in one of its own where `db` is in none. */
export function inTransaction<T>(db: CommonQueryMethods, work: (tx: CommonQueryMethods) => Promise<T>): Promise<T> {
  return hooks.has(db) ? work(db) : db.transaction(work)
}

async function transactionWithHooks<T>(pool: DatabasePool, work: (tx: DatabaseTransactionConnection) => Promise<T>, retries?: number): Promise<T> {
  let waiting: (() => void)[] = []
  const result = await pool.transaction((tx) => {
    // Anew for each try: a transaction that is retried has done nothing before.
    hooks.set(tx, (waiting = []))
    return work(tx)
  }, retries)
  for (const hook of waiting) hook()
  return result
}

/** Opens the pools of both roles. */
export async function openDatabase(urls: { app: string; system: string }, options: PoolOptions): Promise<Database> {
  const opening = [openPool(urls.app, options), openPool(urls.system, options)] as const
  const [app, system] = await Promise.all(opening).catch(async (error: unknown) => {
    // A server that is coming up may take one connection and refuse the next: nothing of a vain try stays open.
    for (const pool of await Promise.allSettled(opening)) if (pool.status === 'fulfilled') await pool.value.end()
    throw error
  })
  return {
    app,
    system,
    end: async () => {
      await Promise.all([app.end(), system.end()])
    },
  }
}

/** Runs `work` in a transaction that is bound to one organisation: row-level security shows and takes its rows only. */
export function inOrganization<T>(
  pool: Pick<CommonQueryMethods, 'transaction'>,
  organizationId: string,
  work: (tx: DatabaseTransactionConnection) => Promise<T>,
): Promise<T> {
  return pool.transaction(async (tx) => {
    await bindOrganization(tx, organizationId)
    return work(tx)
  })
}

/** Binds the organisation until the transaction ends. */
export async function bindOrganization(tx: CommonQueryMethods, organizationId: string): Promise<void> {
  const bind = sql.type(schemaParts)`select set_config('atum.organization_id', ${organizationId}, true), ${partColumns}`
  noteParts(tx, await tx.one(prepared(BIND_ORGANIZATION, bind)))
}

/** Less than the second after which PostgreSQL looks for a deadlock. */
const BACKGROUND_LOCK_MS = 500

/**
 * Has what follows in this transaction give way: where a migration (or whoever) holds what it wants, it breaks off before
 * PostgreSQL looks for a deadlock and might break off the other one.
 */
export async function giveWay(tx: DatabaseTransactionConnection): Promise<void> {
  await tx.query(sql.unsafe`select set_config('lock_timeout', ${String(BACKGROUND_LOCK_MS)}, true)`)
}
