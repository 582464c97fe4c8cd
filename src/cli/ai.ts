import { Command, Option } from 'commander'
import type { Example } from '#ai/learning.ts'
import { Refusal } from './failure.ts'
import { examples, figures, print } from './output.ts'
import { csvRecords } from './table-files.ts'

const SENTIMENTS = ['positive', 'neutral', 'negative']

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
  return command.addHelpText('after', examples('ai evaluate --train train.csv --test test.csv'))
}

async function evaluate({ task, json, ...options }: EvaluateOptions): Promise<void> {
  if (task === 'classify' && !options.train) throw new Refusal('Say what to learn from: --train FILE.')
  const { evaluateClassifier, evaluateSentiment } = await import('#ai/evaluation.ts')
  const train = options.train === undefined ? null : await labelledRows(options.train)
  const test = await labelledRows(options.test)
  if (task === 'sentiment') {
    for (const [file, rows] of [[options.train, train ?? []] as const, [options.test, test] as const]) {
      const foreign = rows.find(({ label }) => !SENTIMENTS.includes(label))
      if (foreign) throw new Refusal(`${file} has the label "${foreign.label}"; sentiments are ${SENTIMENTS.join(', ')}.`)
    }
  }
  if (train && new Set(train.map(({ label }) => label)).size < 2) throw new Refusal(`${options.train} has one label alone: there is nothing to tell apart.`)
  const outOfScope = options.outOfScope === undefined ? undefined : await texts(options.outOfScope)
  const found =
    task === 'sentiment'
      ? await evaluateSentiment({ train, test })
      : await evaluateClassifier({ train: train!, test, labelNames: options.labelNames === true, outOfScope })
  print(json, found, () => figures(found))
}

async function labelledRows(file: string): Promise<Example[]> {
  const rows: Example[] = []
  for await (const { text, label } of csvRecords(file)) {
    if (text === undefined || label === undefined) throw new Refusal(`${file} needs the columns "text" and "label" in its first line.`)
    if (label.trim() === '') throw new Refusal(`${file}, row ${rows.length + 1}: the label is empty.`)
    rows.push({ text, label: label.trim() })
  }
  if (rows.length === 0) throw new Refusal(`${file} has no rows.`)
  return rows
}

async function texts(file: string): Promise<{ text: string }[]> {
  const rows: { text: string }[] = []
  for await (const { text } of csvRecords(file)) {
    if (text === undefined) throw new Refusal(`${file} needs the column "text" in its first line.`)
    rows.push({ text })
  }
  if (rows.length === 0) throw new Refusal(`${file} has no rows.`)
  return rows
}
