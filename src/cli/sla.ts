import { Command } from 'commander'
import type { RiskRow } from '#sla/risk-columns.ts'
import { Refusal } from './failure.ts'
import { examples, figures, print } from './output.ts'
import { slaModelsCommand } from './sla-models.ts'
import { csvRecords } from './table-files.ts'

const FIXED = ['case_id', 'observed_at', 'target_seconds', 'elapsed_seconds', 'breached'] as const
const YES = ['true', 't', 'yes', 'y', '1', '1.0']
const NO = ['false', 'f', 'no', 'n', '0', '0.0']

interface EvaluateOptions {
  train: string
  test: string
  json?: boolean
}

export function slaCommand(): Command {
  const command = new Command('sla').description('measure how well breaches are foreseen, and choose which training serves')
  command
    .command('evaluate')
    .description('learn from cases that ended and foresee others, with the code that the jobs run')
    .requiredOption('--train <file>', `CSV with the columns ${FIXED.join(', ')} and any features, also .gz`)
    .requiredOption('--test <file>', 'the same of other cases; a case that is in both files is not learned from')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', examples('sla evaluate --train train.csv --test test.csv'))
    .action(evaluate)
  command.addCommand(slaModelsCommand())
  return command.addHelpText('after', examples('sla evaluate --train train.csv --test test.csv.gz --json', 'sla models list --organization example'))
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { evaluateRisk } = await import('#sla/risk-evaluation.ts')
  const found = evaluateRisk({ train: await riskRows(options.train), test: await riskRows(options.test) })
  print(options.json, found, () => figures(found))
}

async function riskRows(file: string): Promise<RiskRow[]> {
  const rows: RiskRow[] = []
  for await (const record of csvRecords(file)) rows.push(rowOf(record, `${file}, row ${rows.length + 1}`))
  if (rows.length === 0) throw new Refusal(`${file} has no rows.`)
  return rows
}

function rowOf(record: Record<string, string>, where: string): RiskRow {
  const { case_id, observed_at, target_seconds, elapsed_seconds, breached, ...features } = record
  const missing = FIXED.find((name) => record[name] === undefined)
  if (missing) throw new Refusal(`${where}: there is no column "${missing}".`)
  const at = instantOf(observed_at!)
  const [target, elapsed] = [Number(target_seconds), Number(elapsed_seconds)]
  const outcome = breached!.trim().toLowerCase()
  if (Number.isNaN(at)) throw new Refusal(`${where}: observed_at is no time: "${observed_at}".`)
  if (!(target > 0)) throw new Refusal(`${where}: target_seconds must be above 0, not "${target_seconds}".`)
  if (elapsed_seconds === '' || !Number.isFinite(elapsed)) throw new Refusal(`${where}: elapsed_seconds is no number: "${elapsed_seconds}".`)
  if (!YES.includes(outcome) && !NO.includes(outcome)) throw new Refusal(`${where}: breached must be true or false, not "${breached}".`)
  return { case_id: case_id!, observed_at: at, target_seconds: target, elapsed_seconds: elapsed, features, breached: YES.includes(outcome) }
}

/** ISO 8601 (without an offset: UTC), or seconds or milliseconds since 1970. */
function instantOf(text: string): number {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * (Number(trimmed) < 1e11 ? 1_000 : 1)
  return Date.parse(/\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(trimmed) && !/[+-]\d\d:?\d\d$/.test(trimmed) ? `${trimmed.replace(' ', 'T')}Z` : trimmed)
}
