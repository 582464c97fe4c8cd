import { Command } from 'commander'
import { z } from 'zod'
import { Refusal } from './failure.ts'
import { examples, figures, print } from './output.ts'
import { jsonLines } from './table-files.ts'

const id = z.union([z.string(), z.number()]).transform(String)
const documentLine = z.object({ id, title: z.string(), text: z.string() })
const queryLine = z.object({ id, text: z.string(), relevant: z.array(id).min(1) })
const acceptedLine = z.object({ text: z.string(), article_id: id })

interface EvaluateOptions {
  corpus: string
  queries: string
  accepted?: string
  json?: boolean
}

export function kbCommand(): Command {
  const command = new Command('kb').description('measure the search for articles')
  command
    .command('evaluate')
    .description('search a corpus for what queries are known to need, with the code that suggests articles')
    .requiredOption('--corpus <file>', 'JSON Lines {id, title, text}, also .gz')
    .requiredOption('--queries <file>', 'JSON Lines {id, text, relevant: [id]}, also .gz')
    .option('--accepted <file>', 'JSON Lines {text, article_id}: queries that an article answered before, also .gz')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', examples('kb evaluate --corpus corpus.jsonl --queries queries.jsonl'))
    .action(evaluate)
  return command.addHelpText('after', examples('kb evaluate --corpus corpus.jsonl --queries queries.jsonl --accepted accepted.jsonl --json'))
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { evaluateSearch } = await import('#kb/evaluation.ts')
  const corpus = await Array.fromAsync(jsonLines(options.corpus, documentLine))
  const queries = await Array.fromAsync(jsonLines(options.queries, queryLine))
  const accepted = options.accepted === undefined ? [] : await Array.fromAsync(jsonLines(options.accepted, acceptedLine))
  const known = new Set(corpus.map(({ id }) => id))
  if (corpus.length === 0) throw new Refusal(`${options.corpus} has no documents.`)
  if (queries.length === 0) throw new Refusal(`${options.queries} has no queries.`)
  if (known.size < corpus.length) throw new Refusal(`${options.corpus} has an id twice.`)
  const stranger = accepted.find(({ article_id }) => !known.has(article_id))
  if (stranger) throw new Refusal(`${options.accepted} names the article "${stranger.article_id}", which the corpus does not have.`)
  const found = await evaluateSearch({ corpus, queries, accepted })
  print(options.json, found, () => figures(found))
}
