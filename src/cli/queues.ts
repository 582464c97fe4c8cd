import { Command } from 'commander'
import { readConfig } from '#config.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { examples, print, table } from './output.ts'

const COLUMNS = ['name', 'paused', 'concurrency', 'waiting', 'running', 'failed', 'oldest_due_s']

export function queuesCommand(): Command {
  const command = new Command('queues').description('look at queues, pause and resume them')
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
  return command.addHelpText('after', examples('queues list', 'queues pause default'))
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { listQueues } = await import('#db/queues.ts')
  const queues = await withDatabase(readConfig(), ({ system }) => listQueues(system, null))
  const rows = queues.map(({ counts, oldest_due_seconds, ...queue }) => ({
    ...queue,
    waiting: (counts['queued'] ?? 0) + (counts['retried'] ?? 0),
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
