import { Command } from 'commander'
import { LIMITS, readConfig } from '#config.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { whole } from './numbers.ts'
import { examples, print, table } from './output.ts'

const COLUMNS = ['id', 'status', 'host', 'pid', 'version', 'queues', 'running_jobs', 'heartbeat_at', 'drain_requested_at']

export function workersCommand(): Command {
  const command = new Command('workers').description('look at workers, and let one end in good order')
  command
    .command('list')
    .description('list the workers that live, and those that ended within the last hour')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('workers list', 'workers list --json'))
    .action(list)
  command
    .command('drain')
    .description('ask a worker to claim no more, finish what it holds within its DRAIN_MS, and end; it hears of it with its next heartbeat')
    .argument('<id>', "the worker's number", whole(1))
    .option('--json', 'print the worker as JSON')
    .addHelpText('after', `${examples('workers drain 12')}\n\nsystemd does not start a drained worker again; npm start does, with a new number.`)
    .action(drain)
  return command.addHelpText('after', examples('workers list', 'workers drain 12'))
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { listWorkers } = await import('#db/workers-list.ts')
  const items = await withDatabase(readConfig(), ({ system }) => listWorkers(system, LIMITS.PAGE_MAX))
  print(json, { items }, () => (items.length === 0 ? 'No worker has lived within the last hour.' : table(items, COLUMNS)))
}

async function drain(id: number, { json }: { json?: boolean }): Promise<void> {
  const [{ askToDrain }, { auditMachineAct }, { actor }] = await Promise.all([
    import('#db/workers-list.ts'),
    import('#db/machine-audit.ts'),
    import('./operator.ts'),
  ])
  const worker = await withDatabase(readConfig(), ({ system }) =>
    system.transaction(async (tx) => {
      const answer = await askToDrain(tx, id)
      if (answer.kind === 'unknown') throw new Refusal(`There is no worker ${id}. See: atum-desk workers list`)
      if (answer.kind === 'ended') throw new Refusal(`Worker ${id} has ended: it is ${answer.status}.`)
      const act = { organization_id: null, action: 'worker.drain', entity_type: 'worker', entity_id: String(id) }
      if (answer.is_new) await auditMachineAct(tx, { ...act, details: actor() })
      return answer.worker
    }),
  )
  print(json, worker, () => `Worker ${id} is asked to drain; it holds ${worker.running_jobs} jobs.`)
}
