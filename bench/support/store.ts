import pg from 'pg'
import { freshDatabase, settle } from './database.ts'
import { startRedis } from './redis.ts'
import { setUp } from './children.ts'
import type { Purpose } from './contest.ts'
import type { BenchServer } from './server.ts'

/** How the runner sees that nothing is left: one row, one boolean. Asked often, so the cheap question is first: the next is asked where it is answered. */
const EMPTY: Record<string, string> = {
  'atum-desk': `select not exists (select from job_ready) and not exists (select from job_bundles) and not exists (select from job_queue where status <> 'done') as empty`,
  'graphile-worker': `select not exists (select from graphile_worker._private_jobs) as empty`,
  'pg-boss': `select not exists (select from pgboss.job where name = 'noop' and state < 'completed') as empty`,
}

/** Where a contestant keeps its jobs: a database of its own, or a Redis of its own. */
export interface Store {
  url: string
  isEmpty(): Promise<boolean>
  settle(): Promise<void>
  close(): Promise<void>
}

/** A fresh store, set up by the contestant itself. */
export async function openStore(server: BenchServer, contestant: string, purpose: Purpose): Promise<Store> {
  const store = contestant === 'bullmq' ? await redisStore() : await postgresStore(server, contestant)
  await setUp(contestant, store.url, purpose)
  return store
}

async function redisStore(): Promise<Store> {
  const redis = await startRedis()
  return {
    url: redis.url,
    isEmpty: async () => {
      const [waiting, active] = await Promise.all(['wait', 'active'].map((list) => redis.length(`bull:noop:${list}`)))
      return waiting === 0 && active === 0
    },
    settle: async () => {},
    close: () => redis.stop(),
  }
}

async function postgresStore(server: BenchServer, contestant: string): Promise<Store> {
  const url = await freshDatabase(server, 'bench')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    url,
    isEmpty: async () => Boolean((await client.query<{ empty: boolean }>(EMPTY[contestant]!)).rows[0]?.empty),
    settle: () => settle(url),
    close: () => client.end(),
  }
}
