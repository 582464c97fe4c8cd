import { Command, Option } from 'commander'
import { modelsCommand, trainCommand } from './ai-models.ts'
import { Refusal } from './failure.ts'
import { labelledRows, onlySentiments, textRows } from './labelled-file.ts'
import { examples, figures, print } from './output.ts'

interface EvaluateOptions {
  task: 'classify' | 'sentiment'
  train?: string
  test: string
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
    .requiredOption('--test <file>', 'CSV with the columns text and label, also .gz')
    .option('--label-names', "learn from the labels' names too, as from the names of services")
    .option('--out-of-scope <file>', 'CSV with the column text: texts that belong to no label')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', examples('ai evaluate --train train.csv --test test.csv --label-names', 'ai evaluate --task sentiment --test posts.csv.gz --json'))
    .action(evaluate)
  command.addCommand(trainCommand()).addCommand(modelsCommand())
  return command.addHelpText('after', examples('ai evaluate --train train.csv --test test.csv', 'ai train --organization example'))
}

async function evaluate({ task, json, ...options }: EvaluateOptions): Promise<void> {
  if (task === 'classify' && !options.train) throw new Refusal('Say what to learn from: --train FILE.')
  const { evaluateClassifier, evaluateSentiment } = await import('#ai/evaluation.ts')
  const train = options.train === undefined ? null : await labelledRows(options.train)
  const test = await labelledRows(options.test)
  if (task === 'sentiment') {
    if (train) onlySentiments(options.train!, train)
    onlySentiments(options.test, test)
  }
  if (train && new Set(train.map(({ label }) => label)).size < 2) throw new Refusal(`${options.train} has one label alone: there is nothing to tell apart.`)
  const outOfScope = options.outOfScope === undefined ? undefined : await textRows(options.outOfScope)
  const found =
    task === 'sentiment'
      ? await evaluateSentiment({ train, test })
      : await evaluateClassifier({ train: train!, test, labelNames: options.labelNames === true, outOfScope })
  print(json, found, () => figures(found))
}
