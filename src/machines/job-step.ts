import { chartOf } from './chart.ts'
import { compile } from './compile.ts'
import { jobActions, jobGuards, jobMachine } from './job.ts'
import type { JobContext, JobEvent, JobState } from './job.ts'

export interface JobStanding {
  state: JobState
  context: JobContext
}

export const jobChart = chartOf(jobMachine, 'ENQUEUE')

const step = compile<JobContext, JobEvent>(jobChart, jobGuards, jobActions)

/** The job after `event`, or null where its machine has no such transition. Pure. */
export function nextJob(job: JobStanding, event: JobEvent): JobStanding | null {
  return step(job, event) as JobStanding | null
}

/** The events that the machine knows in `state`, whatever its guards say. */
export function eventsIn(state: JobState): string[] {
  return [...new Set(jobChart.edges.filter((edge) => edge.from === state).map((edge) => edge.event))]
}
