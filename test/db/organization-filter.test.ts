import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'

const FOLDER = new URL('../../src/db/', import.meta.url)

/** What works for the installation, and so reads rows of every organisation: whole files, or functions of one. */
const FOR_ALL: Record<string, readonly string[] | 'all of it'> = {
  // The engine: one claim takes jobs of many organisations.
  'job-claims.ts': 'all of it',
  'lane-lease.ts': 'all of it',
  'job-counts.ts': 'all of it',
  'job-dependencies.ts': 'all of it',
  'job-kept-keys.ts': 'all of it',
  'job-leases.ts': 'all of it',
  'job-records.ts': 'all of it',
  'job-search.ts': ['rangesThatMayHold'],
  'job-traces.ts': 'all of it',
  'job-waits.ts': ['readStanding'],
  'jobs.ts': ['recordProgress', 'orphanedJobs'],
  'queues.ts': ['readBacklog'],
  'reschedule.ts': 'all of it',
  'workers.ts': 'all of it',
  // What operators see.
  'database-health.ts': ['findViolations'],
  'job-lists.ts': ['oldestDue'],
  'machine-flow.ts': 'all of it',
  'queue-history.ts': 'all of it',
  // Upkeep, over all organisations.
  'audit-chain.ts': 'all of it',
  'doctor.ts': ['findCallers'],
  'events.ts': ['movedLogs', 'unfollowedLogs'],
  'rule-events.ts': ['organizationsToRule'],
  'retention.ts': ['removeOldRefreshTokens', 'removeOldAccountRows', 'removeOldJobs', 'removeOldKeptKeys'],
  'sla-checks.ts': ['dueChecks'],
  // Sign-in: whose organisation it is comes out of the row.
  'api-tokens.ts': 'all of it',
  'mail-tokens.ts': 'all of it',
  'second-factors.ts': 'all of it',
  'sessions.ts': 'all of it',
  'users.ts': ['accountsOf', 'findAccount', 'setPassword', 'findUser'],
}
const isForAll = ({ file, name }: Statement): boolean => FOR_ALL[file] === 'all of it' || (FOR_ALL[file] ?? []).includes(name)

interface Statement {
  file: string
  /** The function or constant that has it. */
  name: string
  isFragment: boolean
  text: string
}

/** The templates of a file; values are `$`, and what is put together from fragments is whole again. */
function statementsIn(file: string, source: string): Statement[] {
  const code = source.replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
  const tag = /\bsql\.(?:type\([^`]*?\)|typeAlias\('\w+'\)|fragment|unsafe)`/g
  return [...code.matchAll(tag)].map((found) => {
    const before = code.slice(0, found.index)
    const name = [...before.matchAll(/^(?:export )?(?:async )?(?:function|const) (\w+)/gm)].at(-1)?.[1] ?? ''
    return { file, name, isFragment: found[0].includes('fragment'), text: templateAt(code, found.index + found[0].length) }
  })
}

/** A table that is put in by name: it may be one of an organisation. */
const ANY_TABLE = 'any_table'

/** The text of the template that begins at `start`: `${name}` where a value or fragment is put in. */
function templateAt(code: string, start: number): string {
  let text = ''
  for (let at = start; code[at] !== '`'; at += 1) {
    if (code.startsWith('${', at)) {
      const end = endOfValue(code, at + 2)
      const value = code.slice(at + 2, end)
      text += value.startsWith('sql.identifier(') ? ANY_TABLE : `\${${/^\w+/.exec(value)?.[0] ?? ''}}`
      at = end
    } else text += code[at]!
  }
  return text.replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ')
}

function endOfValue(code: string, start: number): number {
  for (let at = start, depth = 0; ; at += 1) {
    if (code[at] === '{') depth += 1
    if (code[at] === '}' && depth-- === 0) return at
  }
}

const NO_ALIAS = /^(?:set|on|where|join|left|right|cross|inner|order|group|limit|using|for|returning|values|select|union|as)$/
const IS_BOUND = String.raw`(?:(?:=|is not distinct from) (?:bound_organization\(\)|audit_tenant\(\$|\$|\w+\.)|is null)`

/** The tables of organisations that a statement reads or writes without saying whose rows. */
function unbound(text: string, tables: ReadonlySet<string>): string[] {
  return [...text.matchAll(/\b(from|join|update|into|using) (?:lateral )?(\w+)(?: (?:as )?(\w+))?/g)].flatMap(([whole, verb, table, next], index, all) => {
    const at = all[index]!.index
    if ((table !== ANY_TABLE && !tables.has(table!)) || (verb === 'update' && /for (?:no key )?$/.test(text.slice(0, at)))) return []
    if (verb === 'into' && new RegExp(String.raw`^${whole}[^(]*\([^)]*\b(?:organization_id|tenant)\b`).test(text.slice(at))) return []
    const alias = next && !NO_ALIAS.test(next) ? next : table!
    const bound = new RegExp(String.raw`\b${alias}\.(?:organization_id|tenant) ${IS_BOUND}|= ${alias}\.(?:organization_id|tenant)\b`)
    return bound.test(text) ||
      new RegExp(String.raw`(?<![.\w])(?:organization_id|tenant) ${IS_BOUND}|using \((?:organization_id|tenant)`).test(queryAround(text, at))
      ? []
      : [alias]
  })
}

/** The query to which a place belongs, without those inside it. */
function queryAround(text: string, at: number): string {
  let start = at
  for (let depth = 0; start > 0; start -= 1) {
    if (text[start] === ')') depth += 1
    if (text[start] === '(' && depth-- === 0) break
  }
  let own = text[start] === '(' ? text.slice(start + 1, endOfGroup(text, start)) : text
  for (let before = ''; before !== own;) {
    before = own
    own = own.replaceAll(/\(([^()]*)\)/g, (_, inner: string) => (/\bselect\b/.test(inner) ? '' : `\u0001${inner}\u0002`))
  }
  return own.replaceAll('\u0001', '(').replaceAll('\u0002', ')')
}

function endOfGroup(text: string, start: number): number {
  for (let at = start, depth = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')' && --depth === 0) return at
  }
  return text.length
}

const database = await testDatabase()
const tables = new Set(
  (
    await database.owner<{ name: string }>(`
      select relname as name from pg_class join pg_attribute on attrelid = pg_class.oid
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and attname in ('organization_id', 'tenant')`)
  ).map(({ name }) => name),
)
const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.ts'))
const statements = (await Promise.all(files.map(async (file) => statementsIn(file, await readFile(new URL(file, FOLDER), 'utf8'))))).flat()
const fragments = statements.filter(({ isFragment }) => isFragment)

/** With the text of its fragments: those of its file before those of others. */
function whole({ file, text }: Statement, depth = 0): string {
  return text.replaceAll(/\$\{(\w*)\}/g, (_, name: string) => {
    const known = fragments.filter((each) => each.name === name)
    const fragment = known.find((each) => each.file === file) ?? known[0]
    return fragment && depth < 3 ? whole(fragment, depth + 1) : '$'
  })
}

test('each statement that serves an organisation says whose rows it means, beside what row-level security adds', () => {
  assert.ok(tables.size > 50 && statements.length > 300, `${statements.length} statements, ${tables.size} tables`)
  const silent = statements
    .filter((statement) => !statement.isFragment && !isForAll(statement))
    .flatMap((statement) => unbound(whole(statement), tables).map((alias) => `${statement.file} ${statement.name}: ${alias}`))
  assert.deepEqual(silent, [])
})

test('what is said to work for all organisations is there, and does', () => {
  for (const [file, names] of Object.entries(FOR_ALL)) {
    const of = statements.filter((statement) => statement.file === file && unbound(whole(statement), tables).length > 0)
    if (names === 'all of it') assert.ok(of.length > 0, file)
    else
      for (const name of names)
        assert.ok(
          of.some((statement) => statement.name === name),
          `${file} ${name}`,
        )
  }
})

test('a statement without the filter is found: by id, in a join, in a subquery, in a deletion', () => {
  const found = (text: string) => unbound(text, tables)
  assert.deepEqual(found('select * from tickets where id = $'), ['tickets'])
  assert.deepEqual(found('select * from tickets ticket join users on users.id = requester_id where ticket.organization_id = bound_organization()'), ['users'])
  assert.deepEqual(found('select (select name from services where id = service_id) from tickets where organization_id = bound_organization()'), ['services'])
  assert.deepEqual(found('select from tickets where id in (select id from tickets newest where newest.organization_id = bound_organization())'), ['tickets'])
  assert.deepEqual(found('delete from comments where id = $ returning id'), ['comments'])
  assert.deepEqual(found('insert into comments (ticket_id) values ($)'), ['comments'])
  assert.deepEqual(found(`select from ${ANY_TABLE} where id = $ for update`), [ANY_TABLE])
  assert.deepEqual(found('select from tickets where organization_id is not null and id = $'), ['tickets'])
  assert.deepEqual(found('select from tickets where organization_id = bound_organization() and (id = $ or number = $) for update'), [])
})
