import type { AnyStateMachine } from 'xstate'
import { charts } from './charts.ts'
import { checkChart, implementationsOf } from './check.ts'
import type { Fault, Promises } from './check.ts'
import { checkJob } from './check-job.ts'
import { jobMachine } from './job.ts'
import { nextJob } from './job-step.ts'
import { queueSupervisorMachine } from './queue-supervisor.ts'
import { slaClockMachine } from './sla-clock.ts'
import { suggestionMachine } from './suggestion.ts'
import { ticketMachine } from './ticket.ts'
import { workerMachine } from './worker.ts'

const CRASH = 'xstate.error.actor.*'

/** Every machine and what it promises: where its thing may end, and what must be answered wherever it may happen. */
const SUBJECTS: Readonly<Record<string, Promises & { machine: AnyStateMachine }>> = {
  job: {
    machine: jobMachine,
    ends: ['done', 'failed', 'cancelled'],
    answers: [
      { states: ['queued', 'retried', 'claimed', 'running'], events: ['CANCEL'] },
      { states: ['claimed', 'running'], events: ['LOSE', 'RELEASE'] },
      { states: ['running'], events: ['TIMEOUT'] },
      { states: ['done', 'failed', 'cancelled'], events: ['REQUEUE'] },
    ],
  },
  ticket: { machine: ticketMachine, ends: ['closed', 'cancelled'], answers: [{ states: ['new', 'accepted', 'assigned'], events: ['CANCEL'] }] },
  sla_clock: {
    machine: slaClockMachine,
    ends: ['met', 'missed', 'cancelled'],
    answers: [{ states: ['pending', 'running', 'paused', 'breached'], events: ['CANCEL'] }],
  },
  suggestion: {
    machine: suggestionMachine,
    ends: ['accepted', 'edited', 'rejected', 'expired', 'replaced'],
    answers: [{ states: ['offered'], events: ['EXPIRE'] }],
  },
  queue_supervisor: {
    machine: queueSupervisorMachine,
    ends: ['stopped', 'failed'],
    answers: [{ states: ['claiming', 'waiting', 'full', 'recovering'], events: ['JOB_CRASHED', 'DRAIN'] }],
  },
  worker: {
    machine: workerMachine,
    ends: ['stopped', 'failed'],
    answers: [
      { states: ['starting', 'working', 'draining'], events: [CRASH] },
      { states: ['starting', 'working'], events: ['DRAIN'] },
      { states: ['working'], events: ['DECLARED_LOST'] },
    ],
  },
}

/** What the check of one machine found. */
export interface CheckedMachine {
  machine: string
  states: number
  edges: number
  /** Standings that were walked with their context; null where the machine was walked by its states alone. */
  standings: number | null
  faults: Fault[]
}

/** Checks every machine of the project. It takes some tens of milliseconds and needs no database. */
export function checkMachines(): CheckedMachine[] {
  return charts.map((chart) => {
    const subject = SUBJECTS[chart.name]
    if (!subject) throw new Error(`nobody says where the machine ${chart.name} may end: see SUBJECTS in checks.ts`)
    const job = chart.name === 'job' ? checkJob(nextJob) : null
    const faults = [...checkChart(chart, subject, implementationsOf(subject.machine)), ...(job?.faults ?? [])]
    return { machine: chart.name, states: chart.states.length, edges: chart.edges.length, standings: job?.standings ?? null, faults }
  })
}
