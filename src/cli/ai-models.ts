import { Command, Option } from 'commander'
import { readConfig } from '#config.ts'
import type { Reader } from '#ai/reader.ts'
import type { ModelField } from '#db/ai-models.ts'
import type { Trained } from '#ai/training.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { labelledRows, onlySentiments } from './labelled-file.ts'
import { auditModels, organizationOf } from './model-versions.ts'
import { whole } from './numbers.ts'
import { examples, print, table } from './output.ts'

const FIELDS = ['category', 'priority', 'tags', 'group', 'assignee', 'sentiment'] as const satisfies readonly ModelField[]
const LISTED = 200
const COLUMNS = ['field', 'version', 'is_active', 'trained_rows', 'labels', 'measured_rows', 'accuracy', 'calibration_error', 'has_weights', 'trained_at']

interface Whose {
  organization: string
  json?: boolean
}

interface TrainOptions extends Whose {
  task: 'classify' | 'sentiment'
  from?: string
}

export function trainCommand(): Command {
  return new Command('train')
    .description("learn an organisation's models now, as the job TRAIN_MODEL does, and let those answer that are not worse")
    .requiredOption('--organization <slug>', 'whose')
    .addOption(new Option('--task <task>', 'what is learned').choices(['classify', 'sentiment']).default('classify'))
    .option('--from <file>', 'for --task sentiment: CSV with the columns text and label (positive, neutral, negative), also .gz')
    .option('--json', 'print what was learned as JSON')
    .addHelpText('after', examples('ai train --organization example', 'ai train --organization example --task sentiment --from posts.csv'))
    .action(train)
}

export function modelsCommand(): Command {
  const command = new Command('models').description("look at the versions of an organisation's models, and choose which one answers")
  command
    .command('list')
    .description('list the versions, with how well each did on rows that it had not learned from')
    .requiredOption('--organization <slug>', 'whose')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('ai models list --organization example'))
    .action(list)
  command
    .command('activate')
    .description('let a version answer, an older one too: from the next job on')
    .addArgument(command.createArgument('<field>', 'what it tells').choices(FIELDS))
    .argument('<version>', 'its number', whole(1))
    .requiredOption('--organization <slug>', 'whose')
    .option('--json', 'print the version as JSON')
    .addHelpText('after', examples('ai models activate category 3 --organization example'))
    .action(activate)
  return command.addHelpText('after', examples('ai models list --organization example', 'ai models activate category 3 --organization example'))
}

async function train({ organization, task, from, json }: TrainOptions): Promise<void> {
  if ((task === 'sentiment') !== (from !== undefined)) {
    throw new Refusal(
      task === 'sentiment' ? 'Say what to learn from: --from FILE.' : '--from is for --task sentiment: tickets are learned from where they are.',
    )
  }
  const [{ inOrganization }, { activeModels, insertModel }, training, { moodText }] = await Promise.all([
    import('#db/pool.ts'),
    import('#db/ai-models.ts'),
    import('#ai/training.ts'),
    import('#ai/mood.ts'),
  ])
  const moods = from === undefined ? null : onlySentiments(from, await labelledRows(from))
  const found = await withDatabase(readConfig(), async ({ system }) => {
    const id = await organizationOf(system, organization)
    const reader: Reader = { read: (work) => inOrganization(system, id, work) }
    const learn = async (): Promise<Trained[]> => {
      if (!moods) return training.trainClassifiers(reader)
      const before = (await reader.read(activeModels)).find(({ field }) => field === 'sentiment')
      const known = before?.accuracy === undefined || before.accuracy === null ? null : { accuracy: before.accuracy, of: 'of its own' }
      const rows = moods.map((row) => ({ ...row, text: moodText(row.text) }))
      return [await training.train('sentiment', rows, known)]
    }
    const trained = await learn()
    return inOrganization(system, id, async (tx) => {
      const kept: Record<string, unknown>[] = []
      for (const { weights, ...model } of trained) kept.push({ ...model, bytes: weights.length, version: await insertModel(tx, { ...model, weights }) })
      await auditModels(tx, id, 'ai_model.train', { fields: kept.map(({ field, version }) => ({ field, version })) })
      return kept
    })
  })
  print(json, { models: found }, () =>
    found.length === 0 ? 'There is nothing to tell apart yet.' : table(found, ['field', 'version', 'activate', 'trained_rows', 'verdict']),
  )
}

async function list({ organization, json }: Whose): Promise<void> {
  const [{ inOrganization }, { listModels }] = await Promise.all([import('#db/pool.ts'), import('#db/ai-models.ts')])
  const models = await withDatabase(readConfig(), async ({ system }) =>
    inOrganization(system, await organizationOf(system, organization), (tx) => listModels(tx, LISTED)),
  )
  print(json, { items: models }, () => (models.length === 0 ? 'No model has been learned yet.' : table(models, COLUMNS)))
}

async function activate(field: ModelField, version: number, { organization, json }: Whose): Promise<void> {
  const [{ inOrganization }, { activateModel }] = await Promise.all([import('#db/pool.ts'), import('#db/ai-models.ts')])
  await withDatabase(readConfig(), async ({ system }) => {
    const id = await organizationOf(system, organization)
    await inOrganization(system, id, async (tx) => {
      const done = await activateModel(tx, field, version)
      if (!done) throw new Refusal(`There is no version ${version} of ${field} that could answer. See: atum-desk ai models list --organization ${organization}`)
      await auditModels(tx, id, 'ai_model.activate', { field, version })
    })
  })
  print(json, { field, version, is_active: true }, () => `Version ${version} of ${field} answers now.`)
}
