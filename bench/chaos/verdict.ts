import { readFile } from 'node:fs/promises'
import type { Breaches, Rescues } from './checks.ts'

/** pino's number for an error. */
const ERROR_LEVEL = 50

/** What a run came to. */
export interface Verdict {
  seed: number
  minutes: number
  workers: number
  sound: boolean
  /** Whether every job had ended within the time allowed after the last fault, and how long that took. */
  settled: boolean
  settle_ms: number
  jobs: { enqueued: number; done: number; failed: number; cancelled: number; other: number }
  operators: Record<string, number>
  events: Record<string, number>
  faults: Record<string, number>
  worker_starts: number
  /** Worker processes that ended though nobody killed them, and those that did not drain when asked to. */
  worker_deaths_of_their_own: number
  drains_failed: number
  server_starts: number
  rescues: Rescues
  rescue_bound_ms: number
  most_held_of_one_limit: number
  breaches: Breaches
  /** What operators and enqueuers were answered other than an outcome or "away", by SQLSTATE. */
  refusals: Record<string, number>
  /** What the workers logged as errors, by message. */
  worker_errors: Record<string, number>
}

export function breached({ breaches, settled }: Pick<Verdict, 'breaches' | 'settled'>): boolean {
  return !settled || Object.values(breaches).some((count) => count > 0)
}

/** The verdict for people. */
export function describe(verdict: Verdict): string {
  const { jobs, rescues, settle_ms } = verdict
  const list = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  return [
    `jobs        enqueued ${jobs.enqueued}: done ${jobs.done}, failed ${jobs.failed}, cancelled ${jobs.cancelled}, other ${jobs.other}; all ended ${seconds(settle_ms)} after the last fault`,
    `operators   ${list(verdict.operators)}; refused with ${list(verdict.refusals)}`,
    `log         ${list(verdict.events)}`,
    `faults      ${list(verdict.faults)}`,
    `processes   workers started ${verdict.worker_starts}, ended by themselves ${verdict.worker_deaths_of_their_own}, drains failed ${verdict.drains_failed}; PostgreSQL started ${verdict.server_starts}`,
    `rescues     ${rescues.jobs} jobs; the longest ${seconds(rescues.longest_with_server_ms)} after the worker fell silent or the server came back (bound ${seconds(verdict.rescue_bound_ms)}), ${seconds(rescues.longest_ms)} with the server's absence; workers declared lost that lived ${rescues.workers_lost_alive}`,
    `errors      logged by workers: ${list(verdict.worker_errors)}`,
    `breaches    ${list({ ...verdict.breaches })}`,
    `${verdict.sound ? 'SOUND' : 'BREACHED'}  seed ${verdict.seed}, ${verdict.minutes} min, ${verdict.workers} workers`,
  ].join('\n')
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** Counts the errors in the workers' log by what they say. */
export async function errorsIn(logFile: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const line of (await readFile(logFile, 'utf8').catch(() => '')).split('\n').filter(Boolean)) {
    const said = messageOf(line)
    if (said) counts[said] = (counts[said] ?? 0) + 1
  }
  return counts
}

/** What an error line says; a line that is no JSON was written by Node itself. */
function messageOf(line: string): string | null {
  try {
    const { level, msg, err } = JSON.parse(line) as { level: number; msg: string; err?: { message?: string } }
    return level >= ERROR_LEVEL ? `${msg}${err?.message ? ` (${err.message})` : ''}` : null
  } catch {
    return /error/i.test(line) && !line.startsWith(' ') ? line.slice(0, 200) : null
  }
}
