import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyTerm, SlaTicket } from '#db/sla-tickets.ts'
import { checkTicket } from '#sla/check.ts'
import { previewTicket } from '#sla/preview.ts'
import { readTicketClocks } from '#sla/ticket-clocks.ts'

const DAY = '2026-06-10' // a Wednesday
const at = (time: string, day = DAY): Date => new Date(`${day}T${time}:00+02:00`)
const office = {
  tz: 'Europe/Berlin',
  week: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['09:00', '17:00']]])),
  holidays: [],
  special: {},
}

const term = (more: Partial<PolicyTerm> = {}): PolicyTerm => ({
  valid_from: null,
  first_response_minutes: {},
  next_response_minutes: {},
  resolution_minutes: { medium: 480, high: 120 },
  pause_states: ['waiting_customer'],
  reopen_mode: 'resume',
  calendar: office,
  ...more,
})

function ticketWith(more: Partial<SlaTicket>, ...terms: PolicyTerm[]): SlaTicket {
  return {
    id: 't',
    number: 1,
    subject: 's',
    status: 'in_progress',
    priority: 'medium',
    requester_id: 'r',
    service_id: null,
    sla_started_at: at('09:00'),
    sla_due_at: null,
    resolved_at: null,
    time_to_breach_minutes: null,
    policy_id: 'p',
    policy_changes: [],
    transitions: [],
    messages: [],
    steps_taken: [],
    next_check_at: null,
    check_version: 1,
    now: at('09:00'),
    policies: new Map([
      ['p', { id: 'p', name: 'P', calendar_id: null, warnings: [{ percent: 50 }], escalations: [], terms: terms.length > 0 ? terms : [term()] }],
    ]),
    ...more,
  }
}
const moved = (from_status: string, to_status: string, when: Date) => ({
  from_status,
  to_status,
  from_priority: 'medium' as const,
  to_priority: 'medium' as const,
  at: when,
})
const said = (kind: 'customer' | 'staff' | 'note' | 'model', when: Date) => ({
  is_internal: kind === 'note',
  is_ai_generated: kind === 'model',
  from_staff: kind !== 'customer',
  at: when,
})
const read = (ticket: SlaTicket, now: Date, clock = 'resolution') =>
  readTicketClocks(ticket, now.getTime())
    .cycles.filter((cycle) => cycle.clock === clock)
    .map(({ reading }) => reading)

test('a target that a policy change uses up at once is breached at the change, retroactively, and not before it', () => {
  const ticket = ticketWith({}, term(), term({ valid_from: at('12:00'), resolution_minutes: { medium: 120 } }))
  assert.equal(read(ticket, at('11:59'))[0]!.breach, null)
  const [reading] = read(ticket, at('12:00'))
  assert.equal(reading!.due, at('11:00').getTime())
  assert.deepEqual(reading!.breach, { at: at('12:00').getTime(), reason: 'retroactive' })
})

test('a breach that happened before a generous change stays, and one that the change prevents does not come', () => {
  const generous = term({ valid_from: at('12:00'), resolution_minutes: { medium: 2_400 } })
  assert.deepEqual(read(ticketWith({}, term({ resolution_minutes: { medium: 60 } }), generous), at('13:00'))[0]!.breach, {
    at: at('10:00').getTime(),
    reason: 'due',
  })
  assert.equal(read(ticketWith({}, term(), generous), at('17:00'))[0]!.breach, null)
})

test('a holiday that is entered later moves the due time from the start on; a cycle that ended before keeps what held then', () => {
  const closed = term({ valid_from: at('12:00'), calendar: { ...office, holidays: ['2026-06-11'] }, resolution_minutes: { medium: 960 } })
  const open = ticketWith({}, term({ resolution_minutes: { medium: 960 } }), closed)
  assert.equal(read(open, at('11:00'))[0]!.due, at('17:00', '2026-06-11').getTime())
  assert.equal(read(open, at('13:00'))[0]!.due, at('17:00', '2026-06-12').getTime())
  const solved = { ...open, status: 'resolved', transitions: [moved('in_progress', 'resolved', at('11:00'))] }
  assert.equal(read(solved, at('13:00'))[0]!.due, at('17:00', '2026-06-11').getTime())
})

test('another policy counts from the original start', () => {
  const ticket = ticketWith({ policy_changes: [{ from_policy_id: 'p', to_policy_id: 'q', at: at('10:00') }], policy_id: 'q' })
  const policies = new Map([...ticket.policies, ['q', { ...ticket.policies.get('p')!, id: 'q', terms: [term({ resolution_minutes: { medium: 240 } })] }]])
  const [reading] = read({ ...ticket, policies }, at('10:30'))
  assert.deepEqual([reading!.due, reading!.elapsed], [at('13:00').getTime(), 90 * 60_000])
})

test('the states that pause are those of the time: a change neither adds nor takes away pauses that were', () => {
  const transitions = [moved('in_progress', 'waiting_customer', at('10:00')), moved('waiting_customer', 'in_progress', at('14:00'))]
  const ticket = ticketWith({ transitions }, term(), term({ valid_from: at('12:00'), pause_states: [] }))
  assert.equal(read(ticket, at('15:00'))[0]!.elapsed, (60 + 120 + 60) * 60_000)
})

test('next response: one cycle an unanswered message, none before the first response, none of it restarted by a second message', () => {
  const next = term({ first_response_minutes: { medium: 60 }, next_response_minutes: { medium: 60 } })
  const messages = [
    said('customer', at('09:10')),
    said('model', at('09:11')),
    said('note', at('09:12')),
    said('staff', at('09:30')),
    said('customer', at('10:00')),
    said('customer', at('10:30')),
    said('staff', at('10:50')),
    said('customer', at('11:00')),
  ]
  const ticket = ticketWith({ messages }, next)
  const [first] = read(ticket, at('12:30'), 'first_response')
  assert.deepEqual([first!.state, first!.elapsed], ['met', 30 * 60_000])
  const cycles = read(ticket, at('12:30'), 'next_response')
  assert.deepEqual(
    cycles.map(({ cycle, state, due, elapsed }) => [cycle, state, due, elapsed]),
    [
      [1, 'met', at('11:00').getTime(), 50 * 60_000],
      [2, 'breached', at('12:00').getTime(), 90 * 60_000],
    ],
  )
  assert.deepEqual(read({ ...ticket, messages: messages.slice(0, 3) }, at('12:30'), 'next_response'), [])
})

test('reopening resumes the clock, or by the policy closes its cycle and starts a second one, however often', () => {
  const transitions = [
    moved('in_progress', 'resolved', at('10:00')),
    moved('resolved', 'in_progress', at('12:00')),
    moved('in_progress', 'resolved', at('13:00')),
    moved('resolved', 'closed', at('13:30')),
  ]
  const closed = { status: 'closed', transitions }
  const [resumed] = read(ticketWith(closed), at('16:00'))
  assert.deepEqual([resumed!.cycle, resumed!.state, resumed!.elapsed], [1, 'met', 120 * 60_000])
  const cycles = read(ticketWith(closed, term({ reopen_mode: 'new_cycle', resolution_minutes: { medium: 30 } })), at('16:00'))
  assert.deepEqual(
    cycles.map(({ cycle, state, elapsed }) => [cycle, state, elapsed / 60_000]),
    [
      [1, 'missed', 60],
      [2, 'missed', 60],
    ],
  )
})

test('once a ticket is solved nobody is owed a response', () => {
  const ticket = ticketWith(
    { status: 'resolved', transitions: [moved('in_progress', 'resolved', at('09:30'))] },
    term({ first_response_minutes: { medium: 60 } }),
  )
  const [first] = read(ticket, at('16:00'), 'first_response')
  assert.deepEqual([first!.state, first!.due, first!.elapsed, first!.breach], ['paused', null, 30 * 60_000, null])
})

test('a check says what is due and when to look again, and takes nothing twice', () => {
  const ticket = ticketWith({})
  const early = checkTicket(ticket, at('10:00').getTime())
  assert.deepEqual([early.steps, early.next_check_at], [[], at('10:12')])
  const half = checkTicket(ticket, at('13:00').getTime())
  assert.deepEqual(
    half.steps.map(({ step, due_at }) => [step, due_at]),
    [['warn percent 50', at('13:00')]],
  )
  const late = checkTicket({ ...ticket, steps_taken: ['resolution 1 warn percent 50'] }, at('17:00').getTime())
  assert.deepEqual(
    late.steps.map(({ step, due_at }) => [step, due_at]),
    [['breach', at('17:00')]],
  )
  const over = checkTicket({ ...ticket, steps_taken: ['resolution 1 warn percent 50', 'resolution 1 breach'] }, at('17:00').getTime())
  assert.deepEqual([over.steps, over.next_check_at], [[], null])
})

test('a preview shows what a change would do and leaves the ticket as it is', () => {
  const ticket = ticketWith({ steps_taken: [] })
  const now = at('12:00').getTime()
  const [clock] = previewTicket(ticket, now, new Set(['p']), (before) => ({ ...before, resolution_minutes: { medium: 60 } }))
  assert.deepEqual([clock!.before!.due, clock!.after!.due], [at('17:00').getTime(), at('10:00').getTime()])
  assert.deepEqual([clock!.before!.breach, clock!.after!.breach], [null, { at: now, reason: 'retroactive' }])
  assert.equal(ticket.policies.get('p')!.terms.length, 1)
  const [other] = previewTicket(ticket, now, new Set(['q']), (before) => ({ ...before, resolution_minutes: { medium: 60 } }))
  assert.equal(other!.after!.due, other!.before!.due)
})
