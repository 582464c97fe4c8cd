import { readDashboard, readLive } from '#db/dashboard.ts'
import { inOrganization } from '#db/pool.ts'
import type { Desk } from './desk.ts'
import { quantile, rounded } from './numbers.ts'
import { OPEN_STATES } from './tickets.ts'

const WARM_UP = 3
/** A page that takes so long is not asked for again and again. */
const PATIENCE_MS = 10_000
/** As the dashboard's route has it. */
const DASHBOARD = { window_days: 30, sample: 2_000, agents: 200 }
const OPEN = OPEN_STATES.join(',')
const DAY_MS = 86_400_000

/** What is asked, and by which path. */
const PAGES = (agent: string, customer: string): readonly (readonly [name: string, path: string])[] => [
  ["the desk's list: what is open, the first due first", `/tickets?status=${OPEN}&sort=sla_due_at&limit=200`],
  ["the desk's list: what one agent has", `/tickets?status=${OPEN}&sort=sla_due_at&limit=200&assigned_to=${agent}`],
  ["the desk's list: what nobody has", `/tickets?status=${OPEN}&sort=sla_due_at&limit=200&assigned_to=none`],
  ['the newest', '/tickets'],
  ...['created_at', '-created_at', 'updated_at', '-updated_at', 'priority', '-priority', 'sla_due_at', '-sla_due_at'].map(
    (sort) => [`all by ${sort}`, `/tickets?sort=${sort}`] as const,
  ),
  ...['new', 'waiting_customer', 'resolved', 'closed', 'cancelled'].map((status) => [`${status} ones`, `/tickets?status=${status}`] as const),
  ['urgent ones that wait for the customer', '/tickets?status=waiting_customer&priority=urgent'],
  ['those of one requester', `/tickets?requester_id=${customer}`],
  ['those that one agent has or had', `/tickets?assigned_to=${agent}`],
  ['those with a tag of one in ten', '/tickets?tag=vpn'],
  ['those with a tag of one in five thousand', '/tickets?tag=rare'],
  ['those with a tag that none has', '/tickets?tag=nowhere'],
  [
    'those of a month long ago',
    `/tickets?created_before=${new Date(Date.now() - 200 * DAY_MS).toISOString()}&created_from=${new Date(Date.now() - 230 * DAY_MS).toISOString()}`,
  ],
  ['those with a text that none has', '/tickets?q=nowhere'],
  ['the board of what is due within the hour', '/sla/board'],
  ['tags in use', '/tags'],
]

export interface MeasuredPage {
  name: string
  path: string
  times: number[]
}

/** Asks for each page of a desk again and again. Two answers are kept for seconds: those are read past that, at the database. */
export async function measurePages(
  desk: Desk,
  { agent, customer }: { agent: string; customer: string },
  requests: number,
  say: (line: string) => void,
): Promise<MeasuredPage[]> {
  const { database, organizationId } = desk
  const asked: [name: string, path: string, ask: () => Promise<unknown>][] = [
    ...PAGES(agent, customer).map(([name, path]) => [name, path, () => desk.ask(`/api/v1${path}`)] as [string, string, () => Promise<unknown>]),
    ['the live figures', 'read anew', () => inOrganization(database.app, organizationId!, readLive)],
    ['the dashboard', 'read anew', () => inOrganization(database.app, organizationId!, (tx) => readDashboard(tx, DASHBOARD))],
  ]
  const measured: MeasuredPage[] = []
  for (const [name, path, ask] of asked) {
    const times = await timesOf(ask, requests)
    measured.push({ name, path, times })
    say(`pages: ${name} p50 ${rounded(quantile(times, 0.5))} ms, p95 ${rounded(quantile(times, 0.95))} ms`)
  }
  return measured
}

async function timesOf(ask: () => Promise<unknown>, requests: number): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + PATIENCE_MS
  for (let n = -WARM_UP; n < requests && (performance.now() < end || times.length === 0); n += 1) {
    const started = performance.now()
    await ask()
    if (n >= 0) times.push(performance.now() - started)
  }
  return times
}
