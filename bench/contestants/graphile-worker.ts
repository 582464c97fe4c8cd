import { contest, peer } from '../support/contest.ts'

interface GraphileWorker {
  runMigrations(options: object): Promise<void>
  run(options: object): Promise<{ stop(): Promise<void> }>
  makeWorkerUtils(options: object): Promise<{ addJobs(jobs: object[]): Promise<unknown>; release(): Promise<void> }>
  Logger: new (factory: () => () => void) => unknown
}

const { run, makeWorkerUtils, runMigrations, Logger } = await peer<GraphileWorker>('graphile-worker')
const logger = new Logger(() => () => {})

/** graphile-worker with what its performance page recommends: a local queue of 500 and batched completion. */
await contest({
  setup: (url) => runMigrations({ connectionString: url, logger }),
  async enqueue(url, count, batch) {
    const utils = await makeWorkerUtils({ connectionString: url, logger })
    return {
      add: async () => {
        for (let at = 0; at < count; at += batch) {
          await utils.addJobs(Array.from({ length: Math.min(batch, count - at) }, (_, index) => ({ identifier: 'noop', payload: { id: at + index } })))
        }
      },
      end: () => utils.release(),
    }
  },
  async work(url) {
    const runner = await run({
      noHandleSignals: true,
      taskList: { noop: () => {} },
      preset: {
        worker: {
          connectionString: url,
          logger,
          concurrentJobs: 24,
          maxPoolSize: 10,
          pollInterval: 2_000,
          localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
    })
    return () => runner.stop()
  },
})
