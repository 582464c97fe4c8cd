import { contest, peer } from '../support/contest.ts'

interface BullMq {
  Queue: new (
    name: string,
    options: object,
  ) => { addBulk(jobs: object[]): Promise<unknown>; obliterate(options: object): Promise<void>; close(): Promise<void> }
  Worker: new (
    name: string,
    handler: (job: { data: unknown }) => Promise<void>,
    options: object,
  ) => { close(): Promise<void>; waitUntilReady(): Promise<unknown> }
}

const { Queue, Worker } = await peer<BullMq>('bullmq')
const connection = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port), maxRetriesPerRequest: null })

/** BullMQ on Redis (append-only file, fsync each second: its documented production setting), concurrency 100. */
await contest({
  async setup(url) {
    const queue = new Queue('noop', { connection: connection(url) })
    await queue.obliterate({ force: true })
    await queue.close()
  },
  async enqueue(url) {
    const queue = new Queue('noop', { connection: connection(url) })
    return { add: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'noop', data }))), end: () => queue.close() }
  },
  async work(url, watch) {
    const worker = new Worker('noop', async ({ data }) => watch?.started(data), { connection: connection(url), concurrency: 100 })
    await worker.waitUntilReady()
    return () => worker.close()
  },
})
