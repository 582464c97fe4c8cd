import { contest, peer } from '../support/contest.ts'

interface GraphileWorker {
  runMigrations(options: object): Promise<void>
  run(options: object): Promise<{ stop(): Promise<void> }>
  makeWorkerUtils(options: object): Promise<{ addJobs(jobs: object[]): Promise<unknown>; release(): Promise<void> }>
  Logger: new (factory: () => () => void) => unknown
}

const { run, makeWorkerUtils, runMigrations, Logger } = await peer<GraphileWorker>('graphile-worker')
const logger = new Logger(() => () => {})

/**
 * graphile-worker as its performance page sets it: a local queue of 500, batched completion, 24 jobs at a time. A refetch
 * delay spares fetches of a few jobs; it is off where speed of response is measured. LISTEN wakes it in either case.
 */
await contest({
  setup: (url) => runMigrations({ connectionString: url, logger }),
  async enqueue(url) {
    const utils = await makeWorkerUtils({ connectionString: url, logger })
    return { add: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'noop', payload }))), end: () => utils.release() }
  },
  async work(url, watch) {
    const runner = await run({
      noHandleSignals: true,
      taskList: { noop: watch ? (payload: unknown) => watch.started(payload) : () => {} },
      preset: {
        worker: {
          connectionString: url,
          logger,
          concurrentJobs: 24,
          maxPoolSize: 25,
          pollInterval: 2_000,
          localQueue: { size: 500, ...(watch ? {} : { refetchDelay: { durationMs: 10 } }) },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
    })
    return () => runner.stop()
  },
})
