import { Command } from 'commander'
import { LIMITS, readConfig } from '#config.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { whole } from './numbers.ts'
import { examples, print, table } from './output.ts'

const COLUMNS = ['name', 'paused', 'concurrency', 'rate', 'waiting', 'running', 'failed', 'oldest_due_s']

/** Takes a limit away. */
const NONE = 'none'

interface LimitOptions {
  concurrency?: number | typeof NONE
  rate?: number | typeof NONE
  per: number
  maxDepth?: number
  json?: boolean
}

export function queuesCommand(): Command {
  const command = new Command('queues').description('look at queues, pause, resume and limit them')
  command
    .command('list')
    .description('list the queues with their jobs')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('queues list', 'queues list --json'))
    .action(list)
  for (const [verb, words] of [
    ['pause', 'let no worker claim jobs of this queue; what runs goes on'],
    ['resume', 'let workers claim its jobs again'],
  ] as const) {
    command
      .command(verb)
      .description(words)
      .argument('<name>', "the queue's name")
      .option('--json', 'print what came of it as JSON')
      .addHelpText('after', examples(`queues ${verb} default`))
      .action((name: string, options: { json?: boolean }) => setPaused(name, verb === 'pause', options))
  }
  command
    .command('limit')
    .description('limit how many jobs of a queue are held at a time, and how many are claimed in a time; "none" takes a limit away')
    .argument('<name>', "the queue's name")
    .option('--concurrency <n>', 'at most this many of its jobs are held, by all workers together', orNone(whole(1, LIMITS.QUEUE_CONCURRENCY_MAX)))
    .option(
      '--rate <n>',
      'this many are claimed in the time that --per says, in the long run: at once so many, then evenly',
      orNone(whole(1, LIMITS.QUEUE_RATE_MAX)),
    )
    .option('--per <seconds>', 'the time of the rate', whole(1, LIMITS.QUEUE_RATE_PERIOD_MAX_SECONDS), 1)
    .option('--max-depth <n>', 'while more jobs than this wait, the API takes no more', whole(1, LIMITS.QUEUE_DEPTH_MAX))
    .option('--json', 'print the limits as JSON')
    .addHelpText('after', examples('queues limit mail --rate 100 --per 60', 'queues limit ai --concurrency 4', 'queues limit ai --concurrency none'))
    .action(setLimits)
  return command.addHelpText('after', examples('queues list', 'queues pause default', 'queues limit ai --concurrency 4'))
}

function orNone(read: (text: string) => number): (text: string) => number | typeof NONE {
  return (text) => (text === NONE ? NONE : read(text))
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { listQueues } = await import('#db/queues.ts')
  const queues = await withDatabase(readConfig(), ({ system }) => system.transaction((tx) => listQueues(tx, null)))
  const rows = queues.map(({ counts, oldest_due_seconds, ...queue }) => ({
    ...queue,
    rate: queue.rate_limit === null ? null : `${queue.rate_limit} in ${queue.rate_period_seconds} s`,
    waiting: queue.depth,
    running: (counts['claimed'] ?? 0) + (counts['running'] ?? 0),
    failed: counts['failed'] ?? 0,
    oldest_due_s: oldest_due_seconds?.toFixed(1),
  }))
  print(json, { items: queues }, () => (rows.length === 0 ? 'No queues yet: the first worker makes them.' : table(rows, COLUMNS)))
}

async function setPaused(name: string, paused: boolean, { json }: { json?: boolean }): Promise<void> {
  const [{ setQueuePaused }, { notifyWorkers }, { auditMachineAct }, { actor }] = await Promise.all([
    import('#db/queues.ts'),
    import('#db/jobs.ts'),
    import('#db/machine-audit.ts'),
    import('./operator.ts'),
  ])
  await withDatabase(readConfig(), async ({ system }) => {
    await system.transaction(async (tx) => {
      if (!(await setQueuePaused(tx, name, paused))) throw new Refusal(`There is no queue "${name}". See: atum-desk queues list`)
      const act = { organization_id: null, action: paused ? 'queue.pause' : 'queue.resume', entity_type: 'queue', entity_id: name }
      await auditMachineAct(tx, { ...act, details: actor() })
    })
    if (!paused) await notifyWorkers(system, JSON.stringify({ queues: [name] }))
  })
  print(json, { name, paused }, () => `Queue ${name} is ${paused ? 'paused' : 'open'}.`)
}

async function setLimits(name: string, { concurrency, rate, per, maxDepth, json }: LimitOptions): Promise<void> {
  if (concurrency === undefined && rate === undefined && maxDepth === undefined) throw new Refusal('Say which limit: --concurrency, --rate or --max-depth.')
  const [{ lockQueueBounds, setQueueBounds }, { notifyWorkers }, { auditMachineAct }, { actor }] = await Promise.all([
    import('#db/queues.ts'),
    import('#db/jobs.ts'),
    import('#db/machine-audit.ts'),
    import('./operator.ts'),
  ])
  const limits = await withDatabase(readConfig(), async ({ system }) => {
    const set = await system.transaction(async (tx) => {
      const before = await lockQueueBounds(tx, name)
      if (!before) throw new Refusal(`There is no queue "${name}". See: atum-desk queues list`)
      const after = {
        ...before,
        ...(concurrency === undefined ? {} : { concurrency: concurrency === NONE ? null : concurrency }),
        ...(rate === undefined ? {} : rate === NONE ? { rate_limit: null, rate_period_seconds: null } : { rate_limit: rate, rate_period_seconds: per }),
        ...(maxDepth === undefined ? {} : { max_depth: maxDepth }),
      }
      await setQueueBounds(tx, name, after)
      const act = { organization_id: null, action: 'queue.limit', entity_type: 'queue', entity_id: name }
      await auditMachineAct(tx, { ...act, details: { ...actor(), before, after } })
      return after
    })
    await notifyWorkers(system, JSON.stringify({ queues: [name] }))
    return set
  })
  print(json, { name, ...limits }, () => table([{ name, ...limits }], ['name', ...Object.keys(limits)]))
}
