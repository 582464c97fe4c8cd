import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import pg from 'pg'
import { ask as askOwner, freshDatabase, settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import type { LoadFound, LoadPlan } from './support/load-client.ts'
import { quantile, rounded } from './support/numbers.ts'
import type { BenchServer } from './support/server.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'
import { fillTickets, wordAt } from './support/tickets.ts'

const TICKETS = 100_000
const CONNECTIONS = [1, 16, 64]
const SECONDS = 5
const POOL = 10

const wish = JSON.stringify({
  subject: 'The grinder is stuck',
  description: 'Since this morning it turns a little and stops with a noise that nobody here has heard before.',
})
const CLIENT = fileURLToPath(new URL('./support/load-client.ts', import.meta.url))

/** What one connection asks again and again. */
interface Load {
  name: string
  method: 'GET' | 'POST'
  /** The n-th path; asked in turn. */
  paths: string[]
  body?: string
}

interface Measured {
  name: string
  connections: number
  per_second: number
  p50_ms: number | null
  p99_ms: number | null
  failed: number
}

export const load: Suite = {
  name: 'load',
  measures:
    'filing, listing, reading and searching tickets over HTTP by 1, 16 and 64 connections, each a user of its own, beside a bare Fastify route that inserts one row by pg',
  omits:
    'a worker that works off the jobs of what is filed; several API processes; a network. The client is a process on the same machine, and PostgreSQL is beside it: with two cores they take from one another.',
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const tickets = options.tickets ?? TICKETS
  const desk = await openDesk(server, 'load', 'agent')
  const measurements: Measured[] = []
  try {
    await fillTickets(desk.ownerUrl, desk.organizationId!, tickets, say)
    await settle(desk.ownerUrl)
    const ids = await askOwner<{ id: string }>(desk.ownerUrl, 'select id from tickets where number % $1 = 0 limit 100', [
      Math.max(1, Math.floor(tickets / 100)),
    ])
    const loads: Load[] = [
      { name: 'read', method: 'GET', paths: ids.map(({ id }) => `/api/v1/tickets/${id}`) },
      {
        name: 'list',
        method: 'GET',
        paths: ['/api/v1/tickets?limit=50', '/api/v1/tickets?limit=50&status=new,assigned', '/api/v1/tickets?limit=50&priority=urgent&sort=-updated_at'],
      },
      { name: 'search', method: 'GET', paths: Array.from({ length: 100 }, (_, n) => `/api/v1/search?limit=50&q=${wordAt(20 + n * 50)}`) },
      { name: 'create', method: 'POST', paths: ['/api/v1/tickets'], body: wish },
    ]
    for (const each of loads) {
      for (const connections of CONNECTIONS) {
        measurements.push(await measure(desk.address, await desk.newTokens(connections), each))
        say(`load: ${each.name}, ${connections} connections: ${measurements.at(-1)!.per_second}/s`)
      }
    }
  } finally {
    await desk.close()
  }
  measurements.push(...(await measureBare(server)))
  return { sizes: { tickets, seconds: SECONDS }, tables: [table(measurements)], measurements }
}

async function measure(address: string, tokens: readonly string[], { name, method, paths, body }: Load): Promise<Measured> {
  const client = fork(CLIENT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(client, 'exit').then(([code]) => Promise.reject(new Error(`a client ended with ${String(code)} before it said what it found`)))
  const told = Promise.race([once(client, 'message') as Promise<[LoadFound]>, ended])
  client.send({ address, method, paths, body: body ?? null, tokens, seconds: SECONDS } satisfies LoadPlan)
  const [{ milliseconds, failed, seconds }] = await told
  return {
    name,
    connections: tokens.length,
    per_second: Math.round(milliseconds.length / seconds),
    p50_ms: rounded(quantile(milliseconds, 0.5)),
    p99_ms: rounded(quantile(milliseconds, 0.99)),
    failed,
  }
}

/** The least that can be had with these parts: one route, one prepared insert. */
async function measureBare(server: BenchServer): Promise<Measured[]> {
  const url = await freshDatabase(server, 'bare')
  await askOwner(
    url,
    'create table wishes (id uuid primary key default gen_random_uuid(), subject text not null, description text not null, at timestamptz not null default now())',
  )
  const pool = new pg.Pool({ connectionString: url, max: POOL })
  // end() does not wait until its connections are closed, and the server that stops behind it tells them.
  pool.on('error', () => {})
  const app = Fastify()
  app.post('/wishes', async (request, reply) => {
    const { subject, description } = request.body as { subject: string; description: string }
    const { rows } = await pool.query({
      name: 'wish',
      text: 'insert into wishes (subject, description) values ($1, $2) returning *',
      values: [subject, description],
    })
    return reply.code(201).send(rows[0])
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  try {
    const measured: Measured[] = []
    for (const connections of CONNECTIONS) {
      measured.push(
        await measure(
          address,
          Array.from({ length: connections }, () => 'none'),
          { name: 'bare insert', method: 'POST', paths: ['/wishes'], body: wish },
        ),
      )
    }
    return measured
  } finally {
    await app.close()
    await pool.end()
  }
}

function table(measurements: readonly Measured[]) {
  const bare = (connections: number) => measurements.find((one) => one.name === 'bare insert' && one.connections === connections)!.per_second
  return {
    title: `What ${CONNECTIONS.join(', ')} connections get for ${SECONDS} s each; the last column is the rate over that of the bare insert`,
    columns: ['', 'connections', 'a second', 'p50 ms', 'p99 ms', 'failed', 'over bare'],
    rows: measurements.map((one) => [
      one.name,
      one.connections,
      one.per_second,
      one.p50_ms,
      one.p99_ms,
      one.failed,
      rounded(one.per_second / bare(one.connections)),
    ]),
  }
}
