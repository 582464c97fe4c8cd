import { chartOf } from './chart.ts'
import type { Chart } from './chart.ts'
import { jobChart } from './job-step.ts'
import { queueSupervisorMachine } from './queue-supervisor.ts'
import { slaClockMachine } from './sla-clock.ts'
import { suggestionMachine } from './suggestion.ts'
import { ticketMachine } from './ticket.ts'
import { workerMachine } from './worker.ts'

export const ticketChart = chartOf(ticketMachine, 'CREATE')

export const suggestionChart = chartOf(suggestionMachine, 'OFFER')

/** Every machine of the project as data. */
export const charts: readonly Chart[] = [
  jobChart,
  ticketChart,
  chartOf(slaClockMachine),
  suggestionChart,
  chartOf(queueSupervisorMachine),
  chartOf(workerMachine),
]
