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
const LOGGED = new Set([JOB_MACHINE, 'ticket'])

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
          <WindowPicker query={query} />
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
  // An operator sees no tickets.
  const isLogged = LOGGED.has(machine.name) && (machine.name === JOB_MACHINE || role !== 'operator')
  const { data: flow, error } = usePolling(`flow ${machine.name} ${seconds} ${isLogged}`, FLOW_MS, async (signal) =>
    isLogged ? read<Flow>(`/machines/${machine.name}/flow?window=${seconds}`, signal) : null,
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
        {flow === null && (machine.counts ? 'Where things stand now. The moves of this machine are no rows of a log that could be counted.' : NOT_COUNTED)}
        {error && !flow && `What moved lately cannot be told: ${error.message}`}
      </p>
    </>
  )
}

const NOT_COUNTED = 'The machine as it is defined. What stands in its states is not counted, or is not for this account to see.'
