import { settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import { quantile, rounded } from './support/numbers.ts'
import { measurePages } from './support/pages.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'
import { fillTickets, OPEN_SHARE } from './support/tickets.ts'

const TICKETS = 1_000_000

export const pages: Suite = {
  name: 'pages',
  measures: 'lists, boards and figures over HTTP to an admin of an organisation with a million tickets, one in twenty of them open, one request after another',
  omits:
    'several who ask at a time, work going on meanwhile, a cold cache. Client and server share one process. Figures that an answer keeps for seconds are also read past that: "read anew".',
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const tickets = options.tickets ?? TICKETS
  const desk = await openDesk(server, 'pages', 'admin')
  try {
    const people = await fillTickets(desk.ownerUrl, desk.organizationId!, tickets, say)
    await settle(desk.ownerUrl)
    const measurements = await measurePages(desk, people, options.requests, say)
    return {
      sizes: { tickets, open: Math.floor(tickets * OPEN_SHARE), requests: options.requests },
      tables: [
        {
          title: 'Milliseconds to the whole answer',
          columns: ['', 'path', 'requests', 'p50', 'p95', 'greatest'],
          rows: measurements.map(({ name, path, times }) => [name, path, times.length, ...[0.5, 0.95, 1].map((q) => rounded(quantile(times, q)))]),
        },
      ],
      measurements,
    }
  } finally {
    await desk.close()
  }
}
