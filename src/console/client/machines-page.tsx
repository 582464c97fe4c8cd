import { useMemo } from 'preact/hooks'
import { machines, read } from './api.ts'
import { chartFlow, ChartView } from './chart.tsx'
import { Blank, Fault, Loading } from './marks.tsx'
import { PathsPanel } from './paths-panel.tsx'
import { usePolling } from './polling.ts'
import { ProbeButton } from './probe-button.tsx'
import { withQuery } from './route.ts'
import { SelectionPanel } from './selection-panel.tsx'
import type { Flow, Machine } from './shapes.ts'
import { spoken } from './states.ts'
import { duration } from './times.ts'
import { WindowPicker, windowOf } from './window-picker.tsx'

const MACHINES_MS = 1_000
const FLOW_MS = 3_000
const JOB_MACHINE = 'job'
/** The machines whose every move is a row that can be counted. */
const LOGGED = new Set([JOB_MACHINE, 'ticket', 'suggestion'])
/** Why the moves of the others cannot be counted, and where else one looks. */
const UNLOGGED: Record<string, string> = {
  sla_clock:
    'A clock is computed from the moves of its ticket and its calendar. Pauses and resumptions are no rows of their own, so nothing counts these arrows; breaches are on the page of the SLA.',
  queue_supervisor:
    'A supervisor moves many times a second and writes none of it down, so nothing counts these arrows; how each stands now is in the actor trees on the page of the workers.',
  worker:
    'The row of a worker has its present state alone, so nothing counts these arrows; who ended lately is on the page of the workers, restarts of actors are in atum_actor_restarts_total.',
}

/** Each machine as it is defined, with what moves through it now and what moved through it lately. */
export function MachinesPage({ query, role }: { query: URLSearchParams; role: string | undefined }) {
  const { data, error } = usePolling('machines', MACHINES_MS, machines)
  const shown = data?.find((machine) => machine.name === (query.get('machine') ?? JOB_MACHINE)) ?? data?.[0]

  return (
    <div class="page">
      <section class="card card-chart" aria-labelledby="machine-title">
        <div class="card-head">
          <h1 id="machine-title">{shown ? `${spoken(shown.name)} machine` : 'Machines'}</h1>
          {data && shown && <MachineTabs machines={data} shown={shown.name} query={query} />}
          <span class="card-space" />
          {shown && isLogged(shown.name, role) && <WindowPicker query={query} />}
          {shown?.name === JOB_MACHINE && <ProbeButton role={role} />}
        </div>
        {shown && <LiveMachine key={shown.name} machine={shown} query={query} role={role} />}
        {!data && !error && <Loading rows={5} what="the machines" />}
        {!data && error && <Fault error={error} doing="read the machines" />}
        {data && !shown && <Blank title="The API names no machine." />}
      </section>
      {shown && <SelectionPanel machine={shown} query={query} />}
      {shown?.name === JOB_MACHINE && <PathsPanel window={windowOf(query)} />}
    </div>
  )
}

export function MachineTabs({ machines, shown, query }: { machines: Machine[]; shown: string; query: URLSearchParams }) {
  return (
    <nav class="tabs" aria-label="Machines">
      {machines.map(({ name }) => (
        <a
          key={name}
          class="tab"
          href={withQuery(query, { machine: name === JOB_MACHINE ? null : name, state: null, edge: null, event: null })}
          aria-current={name === shown ? 'page' : undefined}
        >
          {spoken(name)}
        </a>
      ))}
    </nav>
  )
}

function LiveMachine({ machine, query, role }: { machine: Machine; query: URLSearchParams; role: string | undefined }) {
  const seconds = windowOf(query)
  const logged = isLogged(machine.name, role)
  const { data: flow, error } = usePolling(`flow ${machine.name} ${seconds} ${logged}`, FLOW_MS, async (signal) =>
    logged ? read<Flow>(`/machines/${machine.name}/flow?window=${seconds}`, signal) : null,
  )
  const drawn = useMemo(() => (flow ? chartFlow(flow) : undefined), [flow])
  const [state, edge] = [query.get('state'), query.get('edge')]

  return (
    <>
      <ChartView
        chart={machine}
        counts={machine.counts ?? undefined}
        flow={drawn}
        current={state}
        currentEdge={edge}
        hrefOf={(name) => withQuery(query, { state: name === state ? null : name, edge: null, event: null })}
        edgeHrefOf={(id) => withQuery(query, { edge: id === edge ? null : id, state: null, event: null })}
      />
      <p class="chart-note faint">
        {flow && (
          <>
            The last {duration(flow.window_seconds * 1_000)}
            {flow.window_seconds < seconds && ' (less than was asked for: there is more in it than can be read at once)'}. Thicker is more often, faded is
            never; p95 is how long 95 of 100 stood there at most{flow.sampled_every > 1 && `, told from one job in ${flow.sampled_every}`}.
          </>
        )}
        {flow === null && (UNLOGGED[machine.name] ?? NOT_COUNTED)}
        {error && !flow && `What moved lately cannot be told: ${error.message}`}
      </p>
    </>
  )
}

/** An operator sees no tickets, nor what was suggested for them. */
const isLogged = (machine: string, role: string | undefined): boolean => LOGGED.has(machine) && (machine === JOB_MACHINE || role !== 'operator')

const NOT_COUNTED = 'The machine as it is defined. What moves through it belongs to an organisation: an operator sees none of it.'
