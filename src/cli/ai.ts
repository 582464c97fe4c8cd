import { Command, Option } from 'commander'
import { modelsCommand, trainCommand } from './ai-models.ts'
import { Refusal } from './failure.ts'
import { holdOut, parted } from './hold-out.ts'
import type { HoldOut } from './hold-out.ts'
import { labelledRows, onlySentiments, textRows } from './labelled-file.ts'
import { whole } from './numbers.ts'
import { examples, figures, print } from './output.ts'

interface EvaluateOptions {
  task: 'classify' | 'sentiment'
  train?: string
  test?: string
  holdOut?: HoldOut
  learnFrom?: number
  labelNames?: boolean
  outOfScope?: string
  json?: boolean
}

export function aiCommand(): Command {
  const command = new Command('ai').description('measure and train the models')
  command
    .command('evaluate')
    .description('learn from one file of labelled texts and measure on another, with the code that the jobs run')
    .addOption(new Option('--task <task>', 'what is told from the texts').choices(['classify', 'sentiment']).default('classify'))
    .option('--train <file>', 'CSV with the columns text and label, also .gz; without it --task sentiment measures what a new organisation gets')
    .option('--test <file>', 'CSV with the columns text and label, also .gz')
    .option('--hold-out <k/n>', 'in place of --test: measure on each n-th row of --train, from the k-th on, and learn from the others', holdOut)
    .option('--learn-from <rows>', 'with --hold-out: learn from so many of the others alone, evenly spaced', whole(2))
    .option('--label-names', "learn from the labels' names too, as from the names of services")
    .option('--out-of-scope <file>', 'CSV with the column text: texts that belong to no label')
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      examples(
        'ai evaluate --train train.csv --test test.csv --label-names',
        'ai evaluate --train tickets.csv.gz --hold-out 1/5 --learn-from 200',
        'ai evaluate --task sentiment --test posts.csv.gz --json',
      ),
    )
    .action(evaluate)
  command.addCommand(trainCommand()).addCommand(modelsCommand())
  return command.addHelpText('after', examples('ai evaluate --train train.csv --test test.csv', 'ai train --organization example'))
}

async function evaluate({ task, json, ...options }: EvaluateOptions): Promise<void> {
  if (task === 'classify' && !options.train) throw new Refusal('Say what to learn from: --train FILE.')
  const { evaluateClassifier, evaluateSentiment } = await import('#ai/evaluation.ts')
  const { train, test } = await rowsOf(options)
  if (task === 'sentiment') {
    if (train) onlySentiments(options.train!, train)
    onlySentiments(options.test ?? options.train!, test)
  }
  if (train && new Set(train.map(({ label }) => label)).size < 2) throw new Refusal(`${options.train} has one label alone: there is nothing to tell apart.`)
  const outOfScope = options.outOfScope === undefined ? undefined : await textRows(options.outOfScope)
  const found =
    task === 'sentiment'
      ? await evaluateSentiment({ train, test })
      : await evaluateClassifier({ train: train!, test, labelNames: options.labelNames === true, outOfScope })
  print(json, found, () => figures(found))
}

/** What is learned from, where anything is, and what is measured on. */
async function rowsOf({ train, test, holdOut: share, learnFrom }: Pick<EvaluateOptions, 'train' | 'test' | 'holdOut' | 'learnFrom'>) {
  if ((test === undefined) === (share === undefined)) throw new Refusal('Say what to measure on: --test FILE, or --hold-out K/N of the training file.')
  if (learnFrom !== undefined && !share) throw new Refusal('--learn-from goes with --hold-out.')
  if (test !== undefined) return { train: train === undefined ? null : await labelledRows(train), test: await labelledRows(test) }
  if (train === undefined) throw new Refusal('--hold-out parts the training file: say --train FILE.')
  const parts = parted(await labelledRows(train), share!, learnFrom)
  if (parts.train.length === 0 || parts.test.length === 0) throw new Refusal(`${train} has too few rows to part.`)
  return parts
}
