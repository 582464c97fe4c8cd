import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { learnClassifier } from './learning.ts'
import type { ClassifierData, Example } from './learning.ts'
import { learnTags } from './tag-learning.ts'
import type { Tagged } from './tag-learning.ts'
import { THREAD_OPTIONS } from '#thread-options.ts'

/** What is to be learned: texts that have one label each, or texts that have several or none. */
export type Lesson = { examples: readonly Example[]; networks: boolean } | { tagged: readonly Tagged[] }

/** Memory for what is soon forgotten. Left to itself the thread takes some 50 MB more, for a twentieth less time. */
const NURSERY_MB = 12

/** One learns at a time, so that a burst of organisations takes one processor and one model's memory. */
let before: Promise<unknown> = Promise.resolve()

/**
 * Learns in a thread of its own, so that the event loop is free meanwhile; an abort ends the thread.
 *
 * @throws what learning threw, or the signal's reason
 */
export async function learnInThread(lesson: Lesson, signal?: AbortSignal): Promise<ClassifierData> {
  const turn = before.then(() => {
    signal?.throwIfAborted()
    return run(lesson, signal)
  })
  before = turn.catch(() => {})
  return turn
}

async function run(lesson: Lesson, signal?: AbortSignal): Promise<ClassifierData> {
  const thread = new Worker(new URL(import.meta.url), { workerData: lesson, resourceLimits: { maxYoungGenerationSizeMb: NURSERY_MB }, ...THREAD_OPTIONS })
  const end = (): void => void thread.terminate()
  signal?.addEventListener('abort', end, { once: true })
  try {
    return await new Promise<ClassifierData>((resolve, reject) => {
      thread.once('message', resolve)
      thread.once('error', reject)
      thread.once('exit', () => reject((signal?.reason as Error | undefined) ?? new Error('the thread that learns ended without an answer')))
    })
  } finally {
    signal?.removeEventListener('abort', end)
  }
}

if (!isMainThread && parentPort) {
  const lesson = workerData as Lesson
  const data = 'tagged' in lesson ? learnTags(lesson.tagged) : learnClassifier(lesson.examples, lesson)
  const buffers = [data.vocabulary.terms, data.vocabulary.idf, data.linear.weights].map(({ buffer }) => buffer as ArrayBuffer)
  parentPort.postMessage(data, buffers)
}
