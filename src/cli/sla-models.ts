import { Command } from 'commander'
import { readConfig } from '#config.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { auditModels, organizationOf } from './model-versions.ts'
import { whole } from './numbers.ts'
import { examples, print, table } from './output.ts'

const COLUMNS = ['version', 'is_active', 'cases', 'auc', 'brier', 'brier_elapsed_share', 'trained_at']

interface Whose {
  organization: string
  json?: boolean
}

export function slaModelsCommand(): Command {
  const command = new Command('models').description("look at the trainings of an organisation's risk model, and choose which one serves")
  command
    .command('list')
    .description('list the trainings that are kept, with how well each did on cases that it had not seen')
    .requiredOption('--organization <slug>', 'whose')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('sla models list --organization example'))
    .action(list)
  command
    .command('activate')
    .description('let a training serve, an older one too: from the next prediction on')
    .argument('<version>', 'its number', whole(1))
    .requiredOption('--organization <slug>', 'whose')
    .option('--json', 'print the training as JSON')
    .addHelpText('after', examples('sla models activate 3 --organization example'))
    .action(activate)
  return command.addHelpText('after', examples('sla models list --organization example', 'sla models activate 3 --organization example'))
}

async function list({ organization, json }: Whose): Promise<void> {
  const [{ inOrganization }, { listSlaModels }] = await Promise.all([import('#db/pool.ts'), import('#db/sla-risk.ts')])
  const models = await withDatabase(readConfig(), async ({ system }) =>
    inOrganization(system, await organizationOf(system, organization), (tx) => listSlaModels(tx)),
  )
  const rows = models.map(({ measured, ...model }) => ({ ...model, ...(measured as Record<string, unknown>) }))
  print(json, { items: models }, () => (rows.length === 0 ? 'No risk has been learned yet.' : table(rows, COLUMNS)))
}

async function activate(version: number, { organization, json }: Whose): Promise<void> {
  const [{ inOrganization }, { activateSlaModel }] = await Promise.all([import('#db/pool.ts'), import('#db/sla-risk.ts')])
  await withDatabase(readConfig(), async ({ system }) => {
    const id = await organizationOf(system, organization)
    await inOrganization(system, id, async (tx) => {
      if (!(await activateSlaModel(tx, version))) {
        throw new Refusal(`There is no training ${version} that could serve. See: atum-desk sla models list --organization ${organization}`)
      }
      await auditModels(tx, id, 'sla_model.activate', { version })
    })
  })
  print(json, { version, is_active: true }, () => `Training ${version} serves now.`)
}
