import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ask, settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import type { Desk } from './support/desk.ts'
import { quantile, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'

const TICKETS = 10_000
const PREVIEWS = 3
const LOOK_MS = 50
const PROGRAM = fileURLToPath(new URL('../bin/atum-desk.mjs', import.meta.url))
const PRIORITIES = ['low', 'medium', 'high', 'urgent']
const WEEK = Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['08:00', '18:00']]]))
const targets = (minutes: number) => Object.fromEntries(PRIORITIES.map((priority) => [priority, minutes]))

export const replan: Suite = {
  name: 'replan',
  measures:
    'a change of a policy and a holiday over 10,000 open tickets: the dry run, the planning anew by one worker, and what the API takes to answer meanwhile',
  omits: 'several API processes, several workers, a network. Client and API share a process, and with the worker and PostgreSQL the cores.',
  run,
}

interface Change {
  name: string
  preview_ms: number[]
  replan_ms: number
  pieces: number
  list_ms: number[]
  edit_ms: number[]
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const tickets = options.tickets ?? TICKETS
  const desk = await openDesk(server, 'replan', 'admin')
  const worker = spawn(process.execPath, [PROGRAM, 'work', '--json'], {
    env: { ...process.env, DATABASE_URL: desk.ownerUrl, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(worker.stdout, 'data')
    const call = caller(desk, (await desk.newTokens(1))[0]!)
    const definition = { tz: 'Europe/Berlin', week: WEEK }
    const calendar = await call('POST', '/sla/calendars', { name: 'Office', definition })
    const policy = await call('POST', '/sla/policies', {
      name: 'Standard',
      is_default: true,
      calendar_id: calendar.id,
      first_response_minutes: targets(120),
      resolution_minutes: targets(2_400),
    })
    await openTickets(desk, policy.id, tickets)
    await settle(desk.ownerUrl)
    say(`replan: ${tickets} open tickets`)
    const holiday = { definition: { ...definition, holidays: [new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)] } }
    const changes: Change[] = []
    for (const [name, path, change] of [
      ['a longer target', `/sla/policies/${policy.id}`, { resolution_minutes: targets(4_800) }],
      ['a holiday tomorrow', `/sla/calendars/${calendar.id}`, holiday],
    ] as const) {
      changes.push(await measure(desk, call, name, path, change))
      say(`replan: ${name}: dry run ${rounded(quantile(changes.at(-1)!.preview_ms, 0.5))} ms, planned anew in ${rounded(changes.at(-1)!.replan_ms)} ms`)
    }
    return {
      sizes: { tickets },
      tables: [
        {
          title: 'Milliseconds; the last four while clocks were planned anew',
          columns: ['', 'dry run', 'planned anew', 'jobs', 'list p50', 'list p95', 'edit p50', 'edit p95', 'greatest'],
          rows: changes.map((each) => [
            each.name,
            rounded(quantile(each.preview_ms, 0.5)),
            rounded(each.replan_ms),
            each.pieces,
            ...[each.list_ms, each.edit_ms].flatMap((times) => [rounded(quantile(times, 0.5)), rounded(quantile(times, 0.95))]),
            rounded(quantile([...each.list_ms, ...each.edit_ms], 1)),
          ]),
        },
      ],
      measurements: changes,
    }
  } finally {
    await ended(worker)
    await desk.close()
  }
}

type Call = (method: string, path: string, body?: unknown) => Promise<{ id: string }>

/** Changes the terms, and asks the API on and on until every clock counts by them. */
async function measure(desk: Desk, call: Call, name: string, path: string, change: unknown): Promise<Change> {
  const preview_ms: number[] = []
  for (let n = 0; n < PREVIEWS; n += 1) preview_ms.push(await timed(() => call('POST', `${path}/preview`, change)))
  const ids = await ask<{ id: string }>(desk.ownerUrl, 'select id from tickets order by random() limit 200')
  const list_ms: number[] = []
  const edit_ms: number[] = []
  const started = performance.now()
  await call('PATCH', path, change)
  const done = waitUntilPlanned(desk.ownerUrl).then(() => performance.now() - started)
  let replan_ms: number | null = null
  void done.then((ms) => (replan_ms = ms))
  for (let n = 0; replan_ms === null; n += 1) {
    list_ms.push(await timed(() => call('GET', '/tickets?limit=50')))
    edit_ms.push(await timed(() => call('PATCH', `/tickets/${ids[n % ids.length]!.id}`, { subject: `help ${n}` })))
  }
  const [jobs] = await ask<{ pieces: number }>(
    desk.ownerUrl,
    `select count(*)::int as pieces from job_queue where job_type = 'SLA_CHECK' and organization_id is not null and not payload ? 'ticket_id' and created_at > now() - make_interval(secs => $1)`,
    [(await done) / 1_000 + 1],
  )
  return { name, preview_ms, replan_ms: await done, pieces: jobs!.pieces, list_ms, edit_ms }
}

async function waitUntilPlanned(url: string): Promise<void> {
  for (;;) {
    const live = await ask(
      url,
      `select from job_queue where job_type = 'SLA_CHECK' and organization_id is not null and not payload ? 'ticket_id' and status not in ('done', 'failed', 'cancelled') limit 1`,
    )
    if (live.length === 0) return
    await pause(LOOK_MS)
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function caller({ address }: Desk, token: string): Call {
  return async (method, path, body) => {
    const response = await fetch(`${address}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`)
    return JSON.parse(text) as { id: string }
  }
}

/** Tickets under a policy, written behind the program's back. */
async function openTickets({ ownerUrl, organizationId, userId }: Desk, policyId: string, tickets: number): Promise<void> {
  await ask(
    ownerUrl,
    `with numbered as (update organizations set last_ticket_number = $4 where id = $1)
     insert into tickets (organization_id, number, requester_id, subject, description, status, priority, accepted_at, sla_started_at, sla_policy_id, created_at)
     select $1, n, $2, 'help', 'help', 'in_progress', ($5::ticket_priority[])[1 + n % 4], at, at, $3, at
       from generate_series(1, $4::int) n cross join lateral (select now() - make_interval(mins => n % 3000) as at) filed`,
    [organizationId, userId, policyId, tickets, PRIORITIES],
  )
}

async function ended(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null) return
  worker.kill('SIGTERM')
  await once(worker, 'exit')
}
