import { inOrganization } from '#db/pool.ts'
import { searchTickets } from '#db/ticket-search.ts'
import type { TicketViewer } from '#db/tickets.ts'
import { settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import type { Desk } from './support/desk.ts'
import { quantile, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'
import { fillTickets, VOCABULARY, wordAt } from './support/tickets.ts'

const TICKETS = 1_000_000
const WARM_UP = 5
const PAGE = 50
const GOAL_MS = 50

/** What is asked: the n-th question of its kind, from words that so many tickets hold. */
const QUESTIONS: readonly [name: string, question: (n: number) => string][] = [
  ['a word that most tickets hold', (n) => wordAt(1 + (n % 3))],
  ['a word of one ticket in five', (n) => wordAt(16 + (n % 16))],
  ['a word of one in a hundred', (n) => wordAt(400 + n)],
  ['a word of one in a thousand', (n) => wordAt(4_000 + n)],
  ['a rare word', (n) => wordAt(VOCABULARY - 1 - n)],
  ['two common words', (n) => `${wordAt(5 + (n % 20))} ${wordAt(40 + n)}`],
  ['three words, one of them rare', (n) => `${wordAt(3)} ${wordAt(60 + n)} ${wordAt(9_000 + n)}`],
  ['one word or another', (n) => `${wordAt(300 + n)} or ${wordAt(5_000 + n)}`],
  ['a common word without another', (n) => `${wordAt(30 + n)} -${wordAt(2)}`],
  ['a phrase of two common words', (n) => `"${wordAt(16 + (n % 16))} ${wordAt(40 + (n % 40))}"`],
  ['words that no two tickets share', (n) => `${wordAt(15_000 + n)} ${wordAt(16_000 + n)}`],
  ['a word that nothing holds', (n) => `zzq${n}yy`],
]

export const search: Suite = {
  name: 'search',
  measures: `ranked search in the tickets of one organisation, its first page of ${PAGE}, over HTTP for an agent and at the database for customers; the goal is a p95 below ${GOAL_MS} ms`,
  omits:
    'several who search at a time (the suite load has them), work going on meanwhile, a cold cache, texts much longer than a few lines, other languages. The words are made up, the n-th 1/n as frequent as the first. Client and server share one process.',
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const tickets = options.tickets ?? TICKETS
  const desk = await openDesk(server, 'search', 'agent')
  try {
    const { customer } = await fillTickets(desk.ownerUrl, desk.organizationId!, tickets, say)
    await settle(desk.ownerUrl)
    const measurements: { who: string; name: string; times: number[] }[] = []
    for (const [name, question] of QUESTIONS) {
      const times = await timesOf(options.requests, (n) => desk.ask(`/api/v1/search?limit=${PAGE}&q=${encodeURIComponent(question(n))}`))
      measurements.push({ who: 'agent', name, times })
      say(`search: ${name} p50 ${rounded(quantile(times, 0.5))} ms, p95 ${rounded(quantile(times, 0.95))} ms`)
    }
    for (const [who, sees] of [
      ['customer', 'own'],
      ['customers admin', 'customers'],
    ] as const) {
      for (const [name, question] of QUESTIONS.filter((_, index) => index % 3 === 0)) {
        const times = await timesOf(options.requests, (n) => ask(desk, { user_id: customer, sees }, question(n)))
        measurements.push({ who, name, times })
      }
    }
    const all = measurements.flatMap(({ times }) => times)
    return {
      sizes: { tickets, comments: Math.floor(tickets / 5), requests: options.requests },
      tables: [
        {
          title: `Milliseconds to the first page (all kinds together: p50 ${rounded(quantile(all, 0.5))}, p95 ${rounded(quantile(all, 0.95))}, p99 ${rounded(quantile(all, 0.99))})`,
          columns: ['who', 'asks for', 'p50', 'p95', 'greatest'],
          rows: measurements.map(({ who, name, times }) => [who, name, ...[0.5, 0.95, 1].map((q) => rounded(quantile(times, q)))]),
        },
      ],
      measurements,
    }
  } finally {
    await desk.close()
  }
}

async function ask({ database, organizationId }: Desk, viewer: TicketViewer, words: string): Promise<void> {
  await inOrganization(database.app, organizationId!, (tx) => searchTickets(tx, viewer, words, { after: null, limit: PAGE + 1 }))
}

async function timesOf(requests: number, once: (n: number) => Promise<void>): Promise<number[]> {
  const times: number[] = []
  for (let n = -WARM_UP; n < requests; n += 1) {
    const started = performance.now()
    await once(Math.max(0, n))
    if (n >= 0) times.push(performance.now() - started)
  }
  return times
}
