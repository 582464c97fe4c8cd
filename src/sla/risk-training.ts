import { THREAD_OPTIONS } from '#thread-options.ts'
import { Worker } from 'node:worker_threads'
import { Breather } from '#ai/breather.ts'
import type { Reader } from '#ai/reader.ts'
import { clockSpans } from '#db/sla-risk.ts'
import { solvedSlaTicketsBefore } from '#db/sla-tickets.ts'
import type { RiskRow } from './risk-columns.ts'
import { loadOf, riskRows } from './risk-features.ts'
import type { RiskModel } from './risk-model.ts'

/** The newest solved tickets that a model learns from. */
const TICKETS_MAX = 20_000
const PAGE = 500
const SPANS_MAX = 100_000
const MEMORY_MB = 1_024

/** What a training came to: the model with whether it may serve, or why there is none. */
export interface RiskTraining {
  tickets: number
  rows: number
  model: RiskModel | null
  /** It foresees the newest cases no worse than the share of time elapsed does. */
  serves: boolean
}

/** Learns the risk of missed clocks from the organisation's solved tickets, in a thread of its own. */
export async function trainRisk(reader: Reader, signal: AbortSignal): Promise<RiskTraining> {
  const loadAt = loadOf(await reader.read((db) => clockSpans(db, SPANS_MAX)))
  const breather = new Breather()
  const rows: RiskRow[] = []
  let tickets = 0
  for (let before: Date | null = null; tickets < TICKETS_MAX;) {
    const page: Awaited<ReturnType<typeof solvedSlaTicketsBefore>> = await reader.read((db) => solvedSlaTicketsBefore(db, before, PAGE))
    for (const ticket of page) {
      rows.push(...riskRows(ticket, loadAt))
      if (breather.due) await breather.pause(signal)
    }
    tickets += page.length
    if (page.length < PAGE) break
    before = page.at(-1)!.resolved_at
  }
  const model = rows.length === 0 ? null : await learnInThread(rows, signal)
  return { tickets, rows: rows.length, model, serves: model !== null && isWorthwhile(model) }
}

function isWorthwhile({ measured }: RiskModel): boolean {
  return measured.brier <= measured.brier_elapsed_share && (measured.auc ?? 0) >= (measured.auc_elapsed_share ?? 0)
}

function learnInThread(rows: readonly RiskRow[], signal: AbortSignal): Promise<RiskModel | null> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./risk-worker.ts', import.meta.url), {
      workerData: rows,
      ...THREAD_OPTIONS,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    })
    const stop = (): void => {
      void thread.terminate()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', stop, { once: true })
    thread.once('message', resolve)
    thread.once('error', reject)
    thread.once('exit', (code) => {
      signal.removeEventListener('abort', stop)
      reject(new Error(`the training thread ended with code ${code} and no model`))
    })
  })
}
