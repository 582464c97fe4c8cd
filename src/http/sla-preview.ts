import { z } from 'zod'
import { Breather } from '#ai/breather.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { openSlaTicketsAfter } from '#db/sla-tickets.ts'
import type { PolicyTerm, SlaTicket } from '#db/sla-tickets.ts'
import { previewTicket } from '#sla/preview.ts'
import type { PreviewedClock } from '#sla/preview.ts'

/** Tickets that a preview looks at; with more it says that it did not see all. */
const TICKETS_MAX = 20_000
const PAGE = 200
const ITEMS_MAX = 200

const item = z.object({
  ticket_id: z.string(),
  number: z.number(),
  clock: z.string(),
  cycle: z.number(),
  due_before: z.date().nullable().describe('Null where it stands still, or has no target'),
  due_after: z.date().nullable(),
  remaining_seconds_before: z.number().nullable(),
  remaining_seconds_after: z.number().nullable(),
  breaches: z.boolean().describe('It would be recorded as breached at the change'),
})
export const previewSchema = z
  .object({
    tickets: z.number().describe('Tickets that were looked at'),
    complete: z.boolean().describe('False where there are more than these'),
    clocks: z.number(),
    changed: z.number(),
    earlier: z.number(),
    later: z.number(),
    breaches: z.number(),
    items: z.array(item).describe(`Clocks that would change, at most ${ITEMS_MAX}`),
  })
  .meta({ id: 'SlaPreview' })
type Preview = z.infer<typeof previewSchema>
type Item = z.infer<typeof item>

/** What the open clocks of the bound organisation would do if these policies said something else from now on. */
export async function previewTerms(
  db: CommonQueryMethods,
  policyIds: readonly string[],
  wished: (term: PolicyTerm) => Omit<PolicyTerm, 'valid_from'>,
): Promise<Preview> {
  const ids = new Set(policyIds)
  const breather = new Breather()
  const seen: Item[] = []
  let tickets = 0
  let complete = true
  for await (const ticket of openTickets(db)) {
    if (tickets === TICKETS_MAX) {
      complete = false
      break
    }
    tickets += 1
    const now = ticket.now.getTime()
    seen.push(...previewTicket(ticket, now, ids, wished).map((clock) => itemOf(ticket, clock)))
    if (breather.due) await breather.pause()
  }
  const changed = seen.filter(isChanged)
  const moved = (sign: number): number =>
    changed.filter(({ due_before, due_after }) => due_before && due_after && Math.sign(+due_after - +due_before) === sign).length
  return {
    tickets,
    complete,
    clocks: seen.length,
    changed: changed.length,
    earlier: moved(-1),
    later: moved(1),
    breaches: changed.filter(({ breaches }) => breaches).length,
    items: changed.slice(0, ITEMS_MAX),
  }
}

async function* openTickets(db: CommonQueryMethods): AsyncGenerator<SlaTicket> {
  for (let after = 0; ;) {
    const page = await openSlaTicketsAfter(db, after, PAGE)
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.number
  }
}

function itemOf({ id, number, steps_taken }: SlaTicket, { clock, cycle, before, after }: PreviewedClock): Item {
  const date = (at: number | null | undefined): Date | null => (at == null ? null : new Date(at))
  const seconds = (milliseconds: number | null | undefined): number | null => (milliseconds == null ? null : milliseconds / 1_000)
  return {
    ticket_id: id,
    number,
    clock,
    cycle,
    due_before: date(before?.due),
    due_after: date(after?.due),
    remaining_seconds_before: seconds(before?.remaining),
    remaining_seconds_after: seconds(after?.remaining),
    breaches: after?.breach != null && before?.breach == null && !steps_taken.includes(`${clock} ${cycle} breach`),
  }
}

const isChanged = (item: Item): boolean =>
  item.due_before?.getTime() !== item.due_after?.getTime() || item.remaining_seconds_before !== item.remaining_seconds_after || item.breaches
