import { TextClassifier } from './classifier.ts'
import type { Example } from './learning.ts'
import { auroc, quantile, scoreAnswers } from './measures.ts'
import type { Answer } from './measures.ts'
import { learnMood, moodOf } from './mood.ts'
import { sentimentOf } from './sentiment.ts'

/** What `ai evaluate` prints. */
export interface Evaluation extends ReturnType<typeof scoreAnswers> {
  train_rows: number
  test_rows: number
  classes: number
  oos_auroc?: number
  train_seconds: number
  p50_ms: number
  p95_ms: number
  peak_rss_mb: number
}

export interface ClassificationRows {
  train: readonly Example[]
  test: readonly Example[]
  /** Whether the labels' names are learned from, as the names of an organisation's services are. */
  labelNames: boolean
  /** Texts that belong to no label. */
  outOfScope?: readonly { text: string }[] | undefined
}

/** Learns as the training job does, and answers the test rows as triage does. */
export async function evaluateClassifier({ train, test, labelNames, outOfScope }: ClassificationRows): Promise<Evaluation> {
  const labels = [...new Set(train.map(({ label }) => label))]
  const seeds = labelNames ? labels.map((label): Example => ({ text: nameOf(label), label, seed: true })) : []
  const started = performance.now()
  const classifier = await TextClassifier.learn([...seeds, ...train])
  const trainSeconds = (performance.now() - started) / 1_000
  const answered = answer(test, (text) => {
    const best = classifier.rank(text)[0]
    return best ?? { label: null, confidence: 0 }
  })
  const inScope = outOfScope ? { oos_auroc: auroc(...familiarities(classifier, test, outOfScope)) } : {}
  return { train_rows: train.length, test_rows: test.length, classes: labels.length, ...answered, ...inScope, ...cost(trainSeconds, answered) }
}

/** Without `train`: what a new organisation gets. With it: what its labels teach. */
export async function evaluateSentiment({ train, test }: { train: readonly Example[] | null; test: readonly Example[] }): Promise<Evaluation> {
  if (train) return evaluateMood(train, test)
  const answered = answer(test, sentimentOf)
  return { train_rows: 0, test_rows: test.length, classes: 3, ...answered, ...cost(0, answered) }
}

async function evaluateMood(train: readonly Example[], test: readonly Example[]): Promise<Evaluation> {
  const started = performance.now()
  const learned = await learnMood(train)
  const trainSeconds = (performance.now() - started) / 1_000
  const answered = answer(test, (text) => moodOf(learned, text))
  return { train_rows: train.length, test_rows: test.length, classes: learned.labels.length, ...answered, ...cost(trainSeconds, answered) }
}

interface Answered extends ReturnType<typeof scoreAnswers> {
  p50_ms: number
  p95_ms: number
}

function answer(test: readonly Example[], ask: (text: string) => { label: string | null; confidence: number }): Answered {
  const times: number[] = []
  const answers = test.map(({ text, label: truth }): Answer => {
    const started = performance.now()
    const { label, confidence } = ask(text)
    times.push(performance.now() - started)
    return { truth, label, confidence }
  })
  return { ...scoreAnswers(answers), p50_ms: quantile(times, 0.5), p95_ms: quantile(times, 0.95) }
}

function familiarities(classifier: TextClassifier, inScope: readonly { text: string }[], outOfScope: readonly { text: string }[]): [number[], number[]] {
  return [inScope.map(({ text }) => classifier.familiarity(text)), outOfScope.map(({ text }) => classifier.familiarity(text))]
}

function cost(trainSeconds: number, { p50_ms, p95_ms }: Answered): Pick<Evaluation, 'train_seconds' | 'p50_ms' | 'p95_ms' | 'peak_rss_mb'> {
  return { train_seconds: trainSeconds, p50_ms, p95_ms, peak_rss_mb: process.resourceUsage().maxRSS / 1_024 }
}

/** A label as a person would write it: `card_arrival` and `cardArrival` are two words. */
export function nameOf(label: string): string {
  return label.replaceAll(/(?<=\p{Ll})(?=\p{Lu})/gu, ' ').replaceAll(/[_\-/.]+/g, ' ')
}
