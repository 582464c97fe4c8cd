import type { PolicyTerm, SlaPolicyFacts, SlaTicket } from '#db/sla-tickets.ts'
import type { Reading } from './cycles.ts'
import type { Clock } from './terms.ts'
import { readTicketClocks } from './ticket-clocks.ts'
import type { ClockCycle } from './ticket-clocks.ts'

/** One open clock under what holds and under what is wished. */
export interface PreviewedClock {
  clock: Clock
  cycle: number
  before: Reading | null
  after: Reading | null
}

/** The open clocks of a ticket as they stand, and as they would if these policies said something else from `now` on. Pure. */
export function previewTicket(
  ticket: SlaTicket,
  now: number,
  policyIds: ReadonlySet<string>,
  wished: (term: PolicyTerm) => Omit<PolicyTerm, 'valid_from'>,
): PreviewedClock[] {
  const policies = new Map(
    [...ticket.policies].map(([id, policy]): [string, SlaPolicyFacts] => {
      const newest = policy.terms.at(-1)
      if (!newest || !policyIds.has(id)) return [id, policy]
      return [id, { ...policy, terms: [...policy.terms, { ...wished(newest), valid_from: new Date(now) }] }]
    }),
  )
  const before = openClocks(ticket, now)
  const after = openClocks({ ...ticket, policies }, now)
  return [...new Set([...before.keys(), ...after.keys()])].map((key) => {
    const { clock, reading } = (after.get(key) ?? before.get(key))!
    return { clock, cycle: reading.cycle, before: before.get(key)?.reading ?? null, after: after.get(key)?.reading ?? null }
  })
}

function openClocks(ticket: SlaTicket, now: number): Map<string, ClockCycle> {
  const open = readTicketClocks(ticket, now).cycles.filter(({ reading }) => reading.fulfilled_at === null)
  return new Map(open.map((cycle) => [`${cycle.clock} ${cycle.reading.cycle}`, cycle]))
}
