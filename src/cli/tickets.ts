import { Command } from 'commander'
import { z } from 'zod'
import { Refusal } from './failure.ts'
import { examples, figures, print } from './output.ts'
import { jsonLines } from './table-files.ts'

const id = z.union([z.string(), z.number()]).transform(String)
const issueLine = z
  .object({ id, created_at: z.coerce.date(), subject: z.string(), text: z.string() })
  .transform(({ text, ...issue }) => ({ ...issue, description: text }))
const pairLine = z.object({ a: id, b: id })

interface EvaluateOptions {
  issues: string
  pairs: string
  json?: boolean
}

export function ticketsCommand(): Command {
  const command = new Command('tickets').description('measure the search for similar tickets')
  command
    .command('evaluate-similar')
    .description('look for the earlier one of known pairs, with the code that shows similar tickets')
    .requiredOption('--issues <file>', 'JSON Lines {id, created_at, subject, text}, also .gz')
    .requiredOption('--pairs <file>', 'JSON Lines {a, b}: ids of issues that are the same, also .gz')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', examples('tickets evaluate-similar --issues issues.jsonl --pairs duplicates.jsonl'))
    .action(evaluate)
  return command.addHelpText('after', examples('tickets evaluate-similar --issues issues.jsonl --pairs duplicates.jsonl --json'))
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { evaluateSimilar } = await import('#kb/evaluation.ts')
  const issues = await Array.fromAsync(jsonLines(options.issues, issueLine))
  const pairs = await Array.fromAsync(jsonLines(options.pairs, pairLine))
  const known = new Set(issues.map(({ id }) => id))
  if (pairs.length === 0) throw new Refusal(`${options.pairs} has no pairs.`)
  if (known.size < issues.length) throw new Refusal(`${options.issues} has an id twice.`)
  const stranger = pairs.flatMap(({ a, b }) => [a, b]).find((id) => !known.has(id))
  if (stranger !== undefined) throw new Refusal(`${options.pairs} names the issue "${stranger}", which ${options.issues} does not have.`)
  const found = await evaluateSimilar({ issues, pairs })
  print(options.json, found, () => figures(found))
}
