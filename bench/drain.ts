import { fork, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { freePort } from '#db/embedded.ts'
import { freshDatabase } from './support/server.ts'

/** What a contestant did in one round. */
export interface DrainRound {
  contestant: string
  processes: number
  enqueue_per_second: number
  drain_per_second: number
  /** CPU seconds of the worker processes, without the database's. */
  worker_cpu_us_per_job: number
}

/** How the runner sees that nothing is left: one row, one boolean. Asked often, so cheap. */
const EMPTY: Record<string, string> = {
  'atum-desk': `select not exists (select from job_ready) and not exists (select from job_queue where status in ('claimed', 'running')) as empty`,
  'graphile-worker': `select not exists (select from graphile_worker._private_jobs) as empty`,
  'pg-boss': `select not exists (select from pgboss.job where name = 'noop' and state < 'completed') as empty`,
}

const fileOf = (contestant: string): string => fileURLToPath(new URL(`./contestants/${contestant}.ts`, import.meta.url))

function start(contestant: string, ...args: string[]): ChildProcess {
  return fork(fileOf(contestant), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

async function told<T>(child: ChildProcess): Promise<T> {
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`contestant ended with ${String(code)} before it said anything`)
  })
  return (await Promise.race([once(child, 'message').then(([message]) => message as T), failed])) as T
}

/** One round: a fresh store, `jobs` no-op jobs in bulk, then as many worker processes until nothing is left. */
export async function drainRound(server: { url(database: string): string }, contestant: string, jobs: number, processes: number): Promise<DrainRound> {
  const redis = contestant === 'bullmq' ? await startRedis() : null
  const url = redis ? redis.url : await freshDatabase(server, 'bench')
  try {
    await told(start(contestant, 'setup', url))
    const { seconds } = await told<{ seconds: number }>(start(contestant, 'enqueue', url, String(jobs), '1000'))
    const isEmpty = redis ? redis.isEmpty : await postgresIsEmpty(url, contestant)
    const workers = Array.from({ length: processes }, () => start(contestant, 'work', url))
    const startedAt = Math.min(...(await Promise.all(workers.map((worker) => told<{ startedAt: number }>(worker)))).map((message) => message.startedAt))
    while (!(await isEmpty.ask())) await new Promise((resolve) => setTimeout(resolve, 10))
    const drainSeconds = (Date.now() - startedAt) / 1_000
    const cpu = await Promise.all(
      workers.map(async (worker) => {
        const answer = told<{ cpuSeconds: number }>(worker)
        worker.send('stop')
        return (await answer).cpuSeconds
      }),
    )
    await isEmpty.end()
    return {
      contestant,
      processes,
      enqueue_per_second: Math.round(jobs / seconds),
      drain_per_second: Math.round(jobs / drainSeconds),
      worker_cpu_us_per_job: Math.round((cpu.reduce((sum, one) => sum + one, 0) * 1e6) / jobs),
    }
  } finally {
    await redis?.stop()
  }
}

async function postgresIsEmpty(url: string, contestant: string): Promise<{ ask(): Promise<boolean>; end(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  // What autovacuum would have done in a database that is not a second old.
  await client.query('vacuum analyze')
  await client.query('checkpoint')
  return { ask: async () => Boolean((await client.query<{ empty: boolean }>(EMPTY[contestant]!)).rows[0]?.empty), end: () => client.end() }
}

/** A Redis of its own for the round, durable as BullMQ recommends. */
async function startRedis(): Promise<{ url: string; isEmpty: { ask(): Promise<boolean>; end(): Promise<void> }; stop(): Promise<void> }> {
  if (spawnSync('redis-server', ['--version']).status !== 0) throw new Error('redis-server is not installed: leave bullmq out (--peers), or install it')
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-bench-redis-'))
  const server = spawn('redis-server', ['--port', String(port), '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''], {
    stdio: 'ignore',
  })
  const ask = async (): Promise<boolean> => {
    const [waiting, active] = await Promise.all(['wait', 'active'].map((list) => redisLength(port, `bull:noop:${list}`)))
    return waiting === 0 && active === 0
  }
  while (
    !(await redisLength(port, 'none').then(
      () => true,
      () => false,
    ))
  )
    await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    url: `redis://127.0.0.1:${port}`,
    isEmpty: { ask, end: async () => {} },
    stop: async () => {
      server.kill()
      await once(server, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** LLEN over a bare socket: the runner needs no client library for one number. */
function redisLength(port: number, key: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write(`LLEN ${key}\r\n`))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.end()
      resolve(Number(data.toString().slice(1)))
    })
  })
}
