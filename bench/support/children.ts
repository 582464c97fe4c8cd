import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Purpose } from './contest.ts'
import type { Pace } from './pace.ts'
import type { Watched } from './watch.ts'

const fileOf = (contestant: string): string => fileURLToPath(new URL(`../contestants/${contestant}.ts`, import.meta.url))

function start(contestant: string, ...args: string[]): ChildProcess {
  return fork(fileOf(contestant), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

/** The next thing that the process says. */
async function told<T>(child: ChildProcess): Promise<T> {
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`a contestant ended with ${String(code)} before it said anything`)
  })
  return (await Promise.race([once(child, 'message').then(([message]) => message as T), failed])) as T
}

export async function setUp(contestant: string, url: string, purpose: Purpose): Promise<void> {
  await told(start(contestant, 'setup', url, purpose))
}

/** Enqueues so many jobs in batches. @returns seconds */
export async function enqueue(contestant: string, url: string, jobs: number, batch: number): Promise<number> {
  return (await told<{ seconds: number }>(start(contestant, 'enqueue', url, 'drain', String(jobs), String(batch)))).seconds
}

/** What came of an enqueuing that keeps to a pace. */
export interface Paced {
  /** Jobs a second, which falls behind the pace where the store is not fast enough. */
  rate: number
}

/** Enqueues in a process of its own, at a pace, each job with the time at which it was. */
export async function pace(contestant: string, url: string, plan: Pace): Promise<Paced> {
  return told<Paced>(start(contestant, 'pace', url, 'watch', JSON.stringify(plan)))
}

/** A worker process that runs. */
export interface WorkerProcess {
  /** On the machine's clock, in ms, before it connected to anything. */
  startedAt: number
  stop(): Promise<{ cpuSeconds: number; watched: Watched | null }>
}

export async function startWorkers(contestant: string, url: string, processes: number, purpose: Purpose): Promise<WorkerProcess[]> {
  const children = Array.from({ length: processes }, () => start(contestant, 'work', url, purpose))
  return Promise.all(
    children.map(async (child) => {
      const { startedAt } = await told<{ startedAt: number }>(child)
      return {
        startedAt,
        stop: () => {
          const answer = told<{ cpuSeconds: number; watched: Watched | null }>(child)
          child.send('stop')
          return answer
        },
      }
    }),
  )
}
