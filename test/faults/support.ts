import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestDatabase } from '../support/database.ts'

const PROCESS = fileURLToPath(new URL('../support/worker-process.ts', import.meta.url))

/** A worker in a process of its own, with quick beats; its row is `worker`. */
export interface WorkerProcess {
  child: ChildProcess
  worker: number
  end(): Promise<void>
}

/** Starts a worker process; `imports` are loaded before anything else of it. */
export async function startProcess(
  database: TestDatabase,
  { env = {}, imports = [] }: { env?: Record<string, string>; imports?: string[] } = {},
): Promise<WorkerProcess> {
  const child = fork(PROCESS, [database.ownerUrl], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
    execArgv: imports.flatMap((file) => ['--import', file]),
  })
  const [{ worker }] = (await once(child, 'message')) as [{ worker: number }]
  return { child, worker, end: () => endOf(child) }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  await ended
}

export async function countOf(database: TestDatabase, status: string): Promise<number> {
  return Number((await database.owner('select count(*)::int as n from job_queue where status = $1', [status]))[0]!['n'])
}

/** Every job is done and has left its marker once, and the log is sound. */
export async function assertAllOnce(database: TestDatabase, ids: readonly number[]): Promise<void> {
  assert.equal(await countOf(database, 'done'), ids.length)
  const effects = await database.owner('select job_id, count(*)::int as n from probe_effects group by job_id')
  assert.equal(effects.length, ids.length, 'every job has left its marker')
  assert.deepEqual(
    effects.filter((row) => row['n'] !== 1),
    [],
    'none has left it twice',
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
}
