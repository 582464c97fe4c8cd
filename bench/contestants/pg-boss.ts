import { contest, peer } from '../support/contest.ts'

interface Boss {
  start(): Promise<unknown>
  stop(options?: object): Promise<void>
  createQueue(name: string): Promise<void>
  insert(name: string, jobs: object[]): Promise<unknown>
  fetch(name: string, options: object): Promise<{ id: string }[]>
  complete(name: string, ids: string[]): Promise<unknown>
  on(event: string, listener: (error: Error) => void): void
}

const { PgBoss } = await peer<{ PgBoss: new (options: object) => Boss }>('pg-boss')
const LOOPS = 4
const BATCH = 500

async function start(url: string): Promise<Boss> {
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false })
  boss.on('error', (error) => {
    throw error
  })
  await boss.start()
  return boss
}

/** pg-boss by fetch and complete in batches, four loops: its work() is bound by its poll of half a second. */
await contest({
  async setup(url) {
    const boss = await start(url)
    await boss.createQueue('noop')
    await boss.stop({ graceful: false })
  },
  async enqueue(url, count, batch) {
    const boss = await start(url)
    return {
      add: async () => {
        for (let at = 0; at < count; at += batch) {
          await boss.insert(
            'noop',
            Array.from({ length: Math.min(batch, count - at) }, (_, index) => ({ data: { id: at + index } })),
          )
        }
      },
      end: () => boss.stop({ graceful: false }),
    }
  },
  async work(url) {
    const boss = await start(url)
    let running = true
    const loop = async (): Promise<void> => {
      while (running) {
        const jobs = await boss.fetch('noop', { batchSize: BATCH })
        if (jobs.length > 0)
          await boss.complete(
            'noop',
            jobs.map((job) => job.id),
          )
        else await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const loops = Array.from({ length: LOOPS }, loop)
    return async () => {
      running = false
      await Promise.all(loops)
      await boss.stop({ graceful: false })
    }
  },
})
