/** The thread in which risk models are learned: rows come in, a model (or null) goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { learnRisk } from './risk-model.ts'
import type { RiskRow } from './risk-columns.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort!.postMessage(learnRisk(workerData as readonly RiskRow[]))
