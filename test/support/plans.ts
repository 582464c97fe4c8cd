import assert from 'node:assert/strict'
import pg from 'pg'
import type { QuerySqlToken } from 'slonik'
import { z } from 'zod'
import type { CommonQueryMethods } from '#db/pool.ts'
import { sql } from '#db/sql.ts'

/** One node of a plan as PostgreSQL writes it; what is not named here is not looked at. */
interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Rows Removed by Join Filter'?: number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: PlanNode[]
}

/** What one node read of one table. A partition of the log counts as the log. */
export interface Scan {
  kind: string
  table: string
  index: string | null
  /** Rows fetched, those included that a filter then threw away. */
  rows: number
}

/** A plan that was run, with what it did. */
export interface Plan {
  /** Rows that the statement returned. */
  rows: number
  /** Blocks of 8 kB that it touched. */
  blocks: number
  scans(): Scan[]
  /** Pairs of rows that were tried and did not match. */
  triedInVain: number
  rowsRead(table: string): number
}

const answer = z.object({ 'QUERY PLAN': z.array(z.object({ Plan: z.unknown() })) })

/**
 * Runs the one statement of `work` under EXPLAIN ANALYZE, in the role and with the values that it always has, and takes
 * back what it wrote. A statement that is prepared is explained by the plan that a connection keeps for it, which knows no values.
 */
export async function explain(db: Pick<CommonQueryMethods, 'transaction'>, work: (db: CommonQueryMethods) => Promise<unknown>): Promise<Plan> {
  const query = await capture(work)
  let root: PlanNode | undefined
  const undone = new Error('undone')
  await db
    .transaction(async (tx) => {
      root = (await tx.one(query.name === undefined ? explained(query) : await explainedByItsKeptPlan(tx, query)))['QUERY PLAN'][0]!.Plan as PlanNode
      throw undone
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error
    })
  return planOf(root!)
}

const EXPLAIN = 'explain (analyze, buffers, timing off, format json)'

const explained = ({ sql: text, values }: Pick<QuerySqlToken, 'sql' | 'values'>): QuerySqlToken<typeof answer> => ({
  ...sql.type(answer)`${sql.unsafe``}`,
  sql: `${EXPLAIN} ${text}`,
  values,
})

async function explainedByItsKeptPlan(tx: CommonQueryMethods, { sql: text, values }: QuerySqlToken): Promise<QuerySqlToken<typeof answer>> {
  await tx.query(sql.unsafe`select set_config('plan_cache_mode', 'force_generic_plan', true)`)
  await tx.query({ ...sql.unsafe``, sql: `prepare explained as ${text.replaceAll('$slonik_', '$')}` })
  const given = values.map((value) => (value === null ? 'null' : pg.escapeLiteral(Array.isArray(value) ? arrayOf(value) : String(value))))
  return explained({ sql: `execute explained${given.length > 0 ? `(${given.join(', ')})` : ''}`, values: [] })
}

/** An array as PostgreSQL reads it. */
const arrayOf = (items: readonly unknown[]) =>
  `{${items.map((item) => (item === null ? 'null' : `"${String(item as string | number | boolean).replaceAll(/[\\"]/g, '\\$&')}"`)).join(',')}}`

/** The statement that `work` would send: a connection that notes it and answers with no rows. */
async function capture(work: (db: CommonQueryMethods) => Promise<unknown>): Promise<QuerySqlToken> {
  const queries: QuerySqlToken[] = []
  const note = (query: QuerySqlToken) => {
    queries.push(query)
    return Promise.resolve([])
  }
  await work({ any: note, anyFirst: note, one: note } as unknown as CommonQueryMethods)
  assert.equal(queries.length, 1, 'one statement')
  return queries[0]!
}

function planOf(root: PlanNode): Plan {
  const nodes = [root]
  for (const node of nodes) nodes.push(...(node.Plans ?? []))
  const scans = nodes
    .filter((node) => node['Node Type'].endsWith('Scan') && node['Relation Name'] !== undefined)
    .map((node) => ({
      kind: node['Node Type'],
      table: node['Relation Name']!.replace(/^job_events_.*$/, 'job_events'),
      index: node['Index Name'] ?? null,
      rows: (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * node['Actual Loops'],
    }))
  return {
    rows: root['Actual Rows'],
    blocks: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
    scans: () => scans,
    triedInVain: nodes.reduce((sum, node) => sum + (node['Rows Removed by Join Filter'] ?? 0) * node['Actual Loops'], 0),
    rowsRead: (table) => scans.filter((scan) => scan.table === table).reduce((sum, scan) => sum + scan.rows, 0),
  }
}
