import type { Condition, Test, TicketFacts } from '#db/ticket-condition.ts'

const MINUTE_MS = 60_000

/** Whether a condition holds for a ticket at `now`: what conditionSql asks of PostgreSQL. Pure. */
export function matches(condition: Condition, ticket: TicketFacts, now: Date): boolean {
  if ('all' in condition) return condition.all.every((each) => matches(each, ticket, now))
  if ('any' in condition) return condition.any.some((each) => matches(each, ticket, now))
  if ('not' in condition) return !matches(condition.not, ticket, now)
  return holds(condition, ticket, now)
}

function holds(test: Test, ticket: TicketFacts, now: Date): boolean {
  switch (test.field) {
    case 'status':
    case 'priority':
    case 'requester_id':
    case 'assigned_to':
    case 'service_id': {
      const wanted: readonly (string | null)[] = [test.value].flat()
      const isOne = wanted.includes(ticket[test.field])
      return test.op === 'eq' || test.op === 'in' ? isOne : !isOne
    }
    case 'tags': {
      const wanted = [test.value].flat()
      if (test.op === 'has_any') return wanted.some((each) => ticket.tags.includes(each))
      return wanted.every((each) => ticket.tags.includes(each)) !== (test.op === 'has_not')
    }
    case 'subject':
    case 'description': {
      const at = fold(ticket[test.field]).indexOf(fold(test.value))
      if (test.op === 'starts_with') return at === 0
      return at >= 0 === (test.op === 'contains')
    }
    case 'number':
      return compare[test.op](ticket.number, test.value)
    default: {
      const instant = ticket[test.field]
      if (test.op === 'empty') return (instant === null) === test.value
      if (instant === null) return false
      const limit = typeof test.value === 'number' ? now.getTime() - test.value * MINUTE_MS : Date.parse(test.value)
      return test.op === 'from' || test.op === 'newer_than_minutes' ? instant.getTime() >= limit : instant.getTime() < limit
    }
  }
}

const compare = {
  eq: (one: number, other: number) => one === other,
  lt: (one: number, other: number) => one < other,
  lte: (one: number, other: number) => one <= other,
  gt: (one: number, other: number) => one > other,
  gte: (one: number, other: number) => one >= other,
}

const fold = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
