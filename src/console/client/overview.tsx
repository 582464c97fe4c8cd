import { machines } from './api.ts'
import { ChartView } from './chart.tsx'
import { JobList } from './job-list.tsx'
import { MachineTabs } from './machines-page.tsx'
import { Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { ProbeButton } from './probe-button.tsx'
import { QueuesPanel } from './queues-panel.tsx'
import { withQuery } from './route.ts'
import type { Machine } from './shapes.ts'
import { spoken } from './states.ts'
import { WorkersPanel } from './workers-panel.tsx'

const MACHINES_MS = 1_000
const JOB_MACHINE = 'job'
const JOBS_SHOWN = 25

/** The whole installation on a page: the machine with its live counts, the jobs, who works on them. */
export function Overview({ query, role }: { query: URLSearchParams; role: string | undefined }) {
  const { data, error } = usePolling('machines', MACHINES_MS, machines)
  const shown = data?.find((machine) => machine.name === (query.get('machine') ?? JOB_MACHINE)) ?? data?.[0]
  const jobMachine = data?.find((machine) => machine.name === JOB_MACHINE)

  return (
    <div class="overview">
      <section class="card card-chart" aria-labelledby="machine-title">
        <div class="card-head">
          <h1 id="machine-title">{shown ? `${spoken(shown.name)} machine` : 'Machines'}</h1>
          {data && data.length > 1 && shown && <MachineTabs machines={data} shown={shown.name} query={query} />}
          <span class="card-space" />
          <ProbeButton role={role} />
        </div>
        {shown && <MachineChart machine={shown} query={query} />}
        {!data && !error && <Loading rows={5} what="the machines" />}
        {!data && error && <Fault error={error} doing="read the machines" />}
        {data && !shown && <Blank title="The API names no machine." />}
      </section>
      <JobList query={query} machine={jobMachine} page={JOBS_SHOWN} mayMove={false} title="Newest jobs" />
      <aside class="side">
        <WorkersPanel />
        <QueuesPanel role={role} />
      </aside>
    </div>
  )
}

function MachineChart({ machine, query }: { machine: Machine; query: URLSearchParams }) {
  if (machine.name !== JOB_MACHINE) return <ChartView key={machine.name} chart={machine} counts={machine.counts ?? undefined} />
  const status = query.get('status')
  return (
    <ChartView
      key={machine.name}
      chart={machine}
      counts={machine.counts ?? undefined}
      current={status}
      hrefOf={(state) => withQuery(query, { status: state === status ? null : state })}
    />
  )
}
