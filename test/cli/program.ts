import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { clusterFiles, killBackends, postmasterOf } from '#db/embedded-cluster.ts'
import { removeEmbedded } from '#db/embedded.ts'
import { until } from '../support/database.ts'

export const LAUNCHER = fileURLToPath(new URL('../../bin/atum-desk.mjs', import.meta.url))

type Variables = Record<string, string | undefined>

/** What a finished run of the program said. */
export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** A running program. */
export interface Running {
  pid: number
  process: ChildProcess
  said: Run
  ended: Promise<Run>
}

/** Starts the real program as a process of its own, with the variables of this one apart from those that configure it. */
export function start(args: readonly string[], variables: Variables = {}, { node = process.execPath, launcher = LAUNCHER } = {}): Running {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ATUM_|DATABASE_|npm_|NODE_|PORT$|HOST$|LOG_LEVEL$)/.test(name)))
  const child = spawn(node, [launcher, ...args], { env: { ...own, ...variables }, stdio: ['ignore', 'pipe', 'pipe'], cwd: tmpdir() })
  const said: Run = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))
  const ended = new Promise<Run>((resolve) => child.once('close', (code) => resolve(Object.assign(said, { code }))))
  return { pid: child.pid!, process: child, said, ended }
}

/** Runs the program to its end. */
export function run(args: readonly string[], variables: Variables = {}, where: { node?: string; launcher?: string } = {}): Promise<Run> {
  return start(args, variables, where).ended
}

const ready = z.object({
  url: z.string(),
  pid: z.number(),
  worker_pid: z.number(),
  postgres_pid: z.number().nullable(),
  seconds: z.number(),
  demo_file: z.string(),
})

/** Starts `up` and waits until it is ready. */
export async function startUp(variables: Variables): Promise<Running & z.infer<typeof ready>> {
  const running = start(['up', '--json'], { PORT: '0', ...variables })
  const hasEnded = (): boolean => running.process.exitCode !== null || running.process.signalCode !== null
  await until(() => running.said.stdout.includes('\n') || hasEnded(), 'up is ready')
  if (hasEnded()) throw new Error(`up ended (${running.process.signalCode ?? running.process.exitCode}): ${running.said.stderr}`)
  return { ...running, ...ready.parse(JSON.parse(running.said.stdout)) }
}

/** A data directory of the test's own. What runs on it when the tests are over is ended, by its number. */
export async function dataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-cli-'))
  await chmod(directory, 0o711)
  after(async () => {
    const { cluster } = clusterFiles(directory)
    const folder = await realpath(cluster).catch(() => null)
    const postmaster = folder && (await postmasterOf(folder))
    if (postmaster && isAlive(postmaster.pid)) process.kill(postmaster.pid, 'SIGKILL')
    if (folder) await killBackends(folder)
    await removeEmbedded(directory)
  })
  return directory
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Whether the service calls itself healthy. */
export async function isHealthy(url: string): Promise<boolean> {
  return fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).then(
    async (answer) => {
      await answer.arrayBuffer()
      return answer.ok
    },
    () => false,
  )
}
