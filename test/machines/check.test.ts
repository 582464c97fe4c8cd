import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assign, setup } from 'xstate'
import { checkChart, faultInWords, implementationsOf } from '#machines/check.ts'
import type { Fault, Implementations, Promises } from '#machines/check.ts'
import { checkJob } from '#machines/check-job.ts'
import { chartOf } from '#machines/chart.ts'
import type { Chart, Edge } from '#machines/chart.ts'
import { charts } from '#machines/charts.ts'
import { checkMachines } from '#machines/checks.ts'
import { compile } from '#machines/compile.ts'
import { chartAsMermaid, chartInWords } from '#machines/drawing.ts'
import { jobActions, jobGuards } from '#machines/job.ts'
import { jobChart, nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'

const promises: Promises = { ends: ['done'], answers: [{ states: ['busy'], events: ['LOSE'] }] }
const edge = (from: string | null, event: string, to: string, guard: string | null = null, actions: string[] = []): Edge => ({
  event,
  from,
  to,
  guard,
  actions,
})
const SOUND: readonly Edge[] = [
  edge(null, 'MAKE', 'idle'),
  edge('idle', 'BEGIN', 'busy', 'mayBegin', ['note']),
  edge('busy', 'LOSE', 'idle'),
  edge('busy', 'END', 'done'),
]
const names: Implementations = { guards: new Set(['mayBegin']), actions: new Set(['note']), onStates: [] }

function faultsOf(edges: readonly Edge[], states = ['idle', 'busy', 'done'], implementations = names): string[] {
  const chart: Chart = { name: 'toy', initial: 'idle', states, events: [...new Set(edges.map(({ event }) => event))], edges: [...edges] }
  return checkChart(chart, promises, implementations).map((fault) => `${fault.rule}: ${faultInWords(fault)}`)
}

/** The job machine with some of its parts broken on purpose. */
function brokenJob({
  edges = jobChart.edges,
  guards = {},
  actions = {},
}: {
  edges?: Edge[]
  guards?: Partial<typeof jobGuards>
  actions?: Partial<typeof jobActions>
}): Fault[] {
  const step = compile({ ...jobChart, edges }, { ...jobGuards, ...guards }, { ...jobActions, ...actions })
  return checkJob((job, event) => step(job, event) as JobStanding | null).faults
}

test('every machine of the project is sound', () => {
  const checked = checkMachines()
  assert.deepEqual(
    checked.flatMap(({ faults }) => faults.map(faultInWords)),
    [],
  )
  assert.deepEqual(
    checked.map(({ machine }) => machine),
    charts.map(({ name }) => name),
  )
  assert.ok(checked.find(({ machine }) => machine === 'job')!.standings! > 50)
})

test('a sound chart has no faults', () => {
  assert.deepEqual(faultsOf(SOUND), [])
})

test('a state without a way out that is no declared end is a trap', () => {
  assert.deepEqual(faultsOf([...SOUND, edge('busy', 'JAM', 'jammed')], ['idle', 'busy', 'done', 'jammed']), [
    'no trap: toy: MAKE, BEGIN, JAM reaches jammed: it has no way out and is no declared end',
  ])
})

test('states that lead to each other and never to an end are traps', () => {
  assert.deepEqual(
    faultsOf([...SOUND, edge('busy', 'SPIN', 'left'), edge('left', 'TURN', 'right'), edge('right', 'TURN', 'left')], ['idle', 'busy', 'done', 'left', 'right']),
    [
      'no trap: toy: MAKE, BEGIN, SPIN reaches left: no order of events leads from there to a declared end',
      'no trap: toy: MAKE, BEGIN, SPIN, TURN reaches right: no order of events leads from there to a declared end',
    ],
  )
})

test('a state that nothing leads to is found', () => {
  assert.deepEqual(faultsOf([...SOUND, edge('island', 'SWIM', 'done')], ['idle', 'busy', 'done', 'island']), [
    'every state is reachable: toy: island: no order of events leads there',
  ])
})

test('a target that is no state is found', () => {
  assert.ok(faultsOf([...SOUND, edge('busy', 'FLY', 'moon')]).includes('states exist: toy: moon: it is the target of FLY in busy, and no state of the machine'))
})

test('an event behind an unguarded one of the same name is found, and does not count as a way', () => {
  const shadowed = [...SOUND.filter(({ event }) => event !== 'END'), edge('busy', 'END', 'idle'), edge('busy', 'END', 'done')]
  const faults = faultsOf(shadowed)
  assert.ok(faults.includes('nothing is shadowed: toy: MAKE, BEGIN reaches busy: END to done stands behind an unguarded END and is never taken'))
  assert.ok(faults.includes('every state is reachable: toy: done: no order of events leads there'))
})

test('a held state that does not answer the loss of its worker is found', () => {
  assert.deepEqual(faultsOf(SOUND.filter(({ event }) => event !== 'LOSE')), ['events are answered: toy: MAKE, BEGIN reaches busy: no LOSE'])
})

test('guards and actions that nobody implements are found, those of entry and exit too', () => {
  const faults = faultsOf(SOUND, undefined, { guards: new Set(), actions: new Set(), onStates: [{ state: 'busy', action: 'cheer' }] })
  assert.deepEqual(faults.toSorted(), [
    'names are implemented: toy: MAKE reaches idle: the action note (BEGIN) is implemented nowhere',
    'names are implemented: toy: MAKE reaches idle: the guard mayBegin (BEGIN) is implemented nowhere',
    'names are implemented: toy: MAKE, BEGIN reaches busy: the action cheer (entry or exit) is implemented nowhere',
  ])
})

test('the names of a machine are read from the machine itself', () => {
  const machine = setup({ actions: { note: assign({}) }, guards: { may: () => true } }).createMachine({
    id: 'small',
    initial: 'a',
    states: { a: { entry: 'note', on: { GO: { guard: 'may', target: 'b' } } }, b: {} },
  })
  const found = implementationsOf(machine)
  assert.deepEqual([[...found.guards], [...found.actions], found.onStates], [['may'], ['note'], [{ state: 'a', action: 'note' }]])
  assert.deepEqual(checkChart(chartOf(machine), { ends: ['b'], answers: [] }, found), [])
})

test('the real job machine is walked through all its standings without a fault', () => {
  const { faults, standings } = checkJob(nextJob)
  assert.deepEqual(faults.map(faultInWords), [])
  assert.ok(standings < 1_000, `${standings} standings`)
})

test('a guard that always lets a job retry breaks the bound of attempts, and the path says how', () => {
  const [first] = brokenJob({ guards: { mayRetry: () => true } })
  assert.equal(faultInWords(first!), 'job: ENQUEUE, CLAIM, LOSE, CLAIM reaches claimed (attempt 2 of 1): attempt 2 is not between 0 and 1')
})

test('a loss that gives its attempt back would fail for ever, and is found', () => {
  const faults = brokenJob({ actions: { backOff: (job, event) => ({ ...jobActions.backOff(job, event), attempt: job.attempt - 1 }) } })
  assert.ok(faults.some(({ rule, what }) => rule === 'failures are bounded' && what === 'it may fail Infinity times before it is failed'))
})

test('a held job that cannot be lost, released or cancelled is found', () => {
  for (const event of ['LOSE', 'RELEASE', 'CANCEL']) {
    const faults = brokenJob({ edges: jobChart.edges.filter((each) => !(each.from === 'running' && each.event === event)) })
    assert.equal(faultInWords(faults[0]!), `job: ENQUEUE, CLAIM, START reaches running (attempt 1 of 1): no ${event}`)
  }
})

test('a worker that stays on a job which it no longer holds is found', () => {
  const faults = brokenJob({ actions: { giveBackAttempt: (job) => ({ attempt: job.attempt - 1 }) } })
  assert.equal(faultInWords(faults[0]!), 'job: ENQUEUE, CLAIM, RELEASE reaches queued (attempt 0 of 1): worker 1 still holds it')
})

test('a job that only an operator can end is found', () => {
  const faults = brokenJob({ guards: { isDue: () => false } })
  assert.equal(faultInWords(faults[0]!), 'job: ENQUEUE reaches queued (attempt 0 of 1): no order of events leads to an end without an operator')
})

test('a release that takes too many attempts back is found', () => {
  const faults = brokenJob({ actions: { giveBackAttempt: (job) => ({ attempt: job.attempt - 2, worker: null, delay_ms: 0 }) } })
  assert.match(faultInWords(faults[0]!), /attempt -1 is not between 0 and 1/)
})

test('every chart is drawn with all its edges, as text and as Mermaid', () => {
  for (const chart of charts) {
    const [text, mermaid] = [chartInWords(chart), chartAsMermaid(chart)]
    for (const { event, from, to } of chart.edges) {
      assert.ok(text.includes(event) && text.includes(`-> ${to}`), `${chart.name} ${event}`)
      if (from !== null) assert.ok(mermaid.includes(`  ${from} --> ${to}: ${event}`), `${chart.name} ${event}`)
    }
    assert.match(mermaid, /^stateDiagram-v2\n {2}\[\*\] --> /)
  }
})
