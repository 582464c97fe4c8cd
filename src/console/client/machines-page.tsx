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
/** The machines of an organisation, whose every move is a row; an operator sees none of them. */
const OF_ORGANIZATION = new Set(['ticket', 'sla_clock', 'suggestion'])
/** What one must know to read the numbers of a machine. */
const NOTES: Record<string, string> = {
  sla_clock: 'A move is dated when it happened, and told as soon as a check has looked at the clock: within a minute.',
  queue_supervisor: 'Each supervisor tells what it did every ten seconds; times are right to a twentieth.',
  worker: 'Each worker tells what it did every ten seconds. One that was killed has told nothing of its end: it is on the page of the workers.',
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
        {flow && NOTES[machine.name] && ` ${NOTES[machine.name]}`}
        {flow === null && NOT_COUNTED[OF_ORGANIZATION.has(machine.name) ? 'organization' : 'installation']}
        {error && !flow && `What moved lately cannot be told: ${error.message}`}
      </p>
    </>
  )
}

/** What moves through the machines of an organisation is its own, and the actors are the operators'. */
const isLogged = (machine: string, role: string | undefined): boolean => machine === JOB_MACHINE || OF_ORGANIZATION.has(machine) !== (role === 'operator')

const NOT_COUNTED = {
  organization: 'The machine as it is defined. What moves through it belongs to an organisation: an operator sees none of it.',
  installation: 'The machine as it is defined. What moves through it serves all organisations: operators see it.',
}
