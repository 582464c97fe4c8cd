import type { FragmentSqlToken } from 'slonik'
import { sql } from './sql.ts'
import type { Condition, Test } from './ticket-condition.ts'

const MINUTE_MS = 60_000

/**
 * A condition on a row of tickets named `ticket`: true or false, never null. Every value is bound; fields and operators
 * come from here. `matches` is the same in JavaScript, and a test holds the two equal.
 */
export function conditionSql(condition: Condition, now: Date): FragmentSqlToken {
  if ('all' in condition) return joined(condition.all, now, sql.fragment` and `)
  if ('any' in condition) return joined(condition.any, now, sql.fragment` or `)
  if ('not' in condition) return sql.fragment`(not ${conditionSql(condition.not, now)})`
  return testSql(condition, now)
}

const joined = (conditions: readonly Condition[], now: Date, glue: FragmentSqlToken): FragmentSqlToken =>
  sql.fragment`(${sql.join(
    conditions.map((each) => conditionSql(each, now)),
    glue,
  )})`

function testSql(test: Test, now: Date): FragmentSqlToken {
  switch (test.field) {
    case 'status':
      return oneOfSql(sql.fragment`ticket.status`, 'ticket_status', test)
    case 'priority':
      return oneOfSql(sql.fragment`ticket.priority`, 'ticket_priority', test)
    case 'requester_id':
    case 'assigned_to':
    case 'service_id':
      return oneOfSql(sql.identifier(['ticket', test.field]), 'uuid', test)
    case 'tags':
      return tagsSql(test)
    case 'subject':
    case 'description':
      return textSql(sql.identifier(['ticket', test.field]), test)
    case 'number':
      return sql.fragment`(ticket.number ${COMPARISON[test.op]} ${test.value}::int8)`
    default:
      return timeSql(sql.identifier(['ticket', test.field]), test, now)
  }
}

type Column = FragmentSqlToken | ReturnType<typeof sql.identifier>
type Of<Field extends Test['field']> = Extract<Test, { field: Field }>

const COMPARISON = { eq: sql.fragment`=`, lt: sql.fragment`<`, lte: sql.fragment`<=`, gt: sql.fragment`>`, gte: sql.fragment`>=` }

function oneOfSql(column: Column, type: string, { op, value }: Of<'status' | 'priority' | 'requester_id' | 'assigned_to' | 'service_id'>): FragmentSqlToken {
  const wanted = [value].flat()
  const values = wanted.filter((each) => each !== null)
  const isOne = sql.fragment`(${column} is not null and ${column} = any(${sql.array(values, type)}))`
  const holds = wanted.length === values.length ? isOne : sql.fragment`(${column} is null or ${isOne})`
  return op === 'eq' || op === 'in' ? holds : sql.fragment`(not ${holds})`
}

function tagsSql({ op, value }: Of<'tags'>): FragmentSqlToken {
  const values = sql.array([value].flat(), 'text')
  if (op === 'has_any') return sql.fragment`(ticket.tags && ${values})`
  const all = sql.fragment`(ticket.tags @> ${values})`
  return op === 'has_not' ? sql.fragment`(not ${all})` : all
}

/** Under "C" only the letters A to Z have two cases, whatever the database's locale. */
function textSql(column: Column, { op, value }: Of<'subject' | 'description'>): FragmentSqlToken {
  const at = sql.fragment`strpos(lower(${column} collate "C"), lower(${value}::text collate "C"))`
  if (op === 'starts_with') return sql.fragment`(${at} = 1)`
  return op === 'contains' ? sql.fragment`(${at} > 0)` : sql.fragment`(${at} = 0)`
}

function timeSql(
  column: Column,
  test: Exclude<Test, Of<'status' | 'priority' | 'requester_id' | 'assigned_to' | 'service_id' | 'tags' | 'subject' | 'description' | 'number'>>,
  now: Date,
): FragmentSqlToken {
  if (test.op === 'empty') return test.value ? sql.fragment`(${column} is null)` : sql.fragment`(${column} is not null)`
  // To the millisecond, as JavaScript has it.
  const limit = new Date(typeof test.value === 'number' ? now.getTime() - test.value * MINUTE_MS : test.value).toISOString()
  const isLater = test.op === 'from' || test.op === 'newer_than_minutes'
  return sql.fragment`(${column} is not null and ${column} ${isLater ? COMPARISON.gte : COMPARISON.lt} ${limit}::timestamptz)`
}
