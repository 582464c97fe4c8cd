import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createActor } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import { JOB_EVENTS, JOB_STATES, jobMachine } from '#machines/job.ts'
import type { JobContext, JobEvent, JobState } from '#machines/job.ts'
import { eventsIn, jobChart, nextJob } from '#machines/job-step.ts'
import { EVENTS, jobPaths } from '../support/job-paths.ts'

const contexts: JobContext[] = [0, 1, 2, 3].flatMap((attempt) =>
  [0, 1_000].flatMap((delay_ms) =>
    [null, 7].map((worker) => ({ attempt, max_attempts: 3, delay_ms, worker, last_error: attempt > 1 ? 'Error: before' : null })),
  ),
)

test('the compiled table and the interpreter agree for every state, event and guard outcome', () => {
  let steps = 0
  for (const state of JOB_STATES) {
    for (const context of contexts) {
      for (const event of EVENTS) {
        const snapshot = jobMachine.resolveState({ value: state, context })
        const actor = createActor(jobMachine, { snapshot, input: { max_attempts: 3 } }).start()
        actor.send(event)
        const after = actor.getSnapshot()
        actor.stop()
        const interpreted = snapshot.can(event) ? { state: after.value, context: after.context } : null
        assert.deepEqual(nextJob({ state, context }, event), interpreted, `${event.type} in ${state} with ${JSON.stringify(context)}`)
        steps += 1
      }
    }
  }
  assert.equal(steps, JOB_STATES.length * contexts.length * EVENTS.length)
})

test('the vocabulary is that of the chart', () => {
  assert.deepEqual(jobChart.states.toSorted(), [...JOB_STATES].toSorted())
  assert.deepEqual(jobChart.events.toSorted(), [...JOB_EVENTS].toSorted())
})

test('every state is reached, and every live state has a way to an end', () => {
  const reached = getShortestPaths(jobMachine, {
    input: { max_attempts: 3 },
    events: EVENTS,
    limit: 20_000,
    serializeState: (snapshot) => `${snapshot.value} ${JSON.stringify(snapshot.context)}`,
    stopWhen: (snapshot) => snapshot.context.attempt > 3,
  })
  assert.deepEqual([...new Set(reached.map((path) => path.state.value))].toSorted(), [...JOB_STATES].toSorted())
  const ends = new Set<string>(['done', 'failed', 'cancelled'])
  for (const state of JOB_STATES) {
    const seen = new Set<string>([state])
    for (const at of seen) for (const edge of jobChart.edges) if (edge.from === at && edge.event !== 'REQUEUE') seen.add(edge.to)
    assert.ok(ends.has(state) || [...seen].some((at) => ends.has(at)), `${state} is a trap`)
  }
})

test('attempts stay within their bound on every path', () => {
  for (const path of jobPaths()) {
    for (const { context } of path.standings) assert.ok(context.attempt >= 0 && context.attempt <= context.max_attempts, path.name)
  }
})

test('a permanent failure does not retry, and the last attempt fails for good', () => {
  const running = (attempt: number): { state: JobState; context: JobContext } => ({
    state: 'running',
    context: { attempt, max_attempts: 3, delay_ms: 0, worker: 1, last_error: null },
  })
  const fail = (permanent: boolean): JobEvent => ({ type: 'FAIL', fault: { class: 'Error', message: 'no' }, permanent, backoff_ms: 10 })
  assert.equal(nextJob(running(1), fail(false))?.state, 'retried')
  assert.equal(nextJob(running(1), fail(true))?.state, 'failed')
  assert.equal(nextJob(running(3), fail(false))?.state, 'failed')
  assert.equal(nextJob(running(3), fail(false))?.context.last_error, 'Error: no')
})

test('release and snooze do not count as an attempt', () => {
  const running = { state: 'running' as const, context: { attempt: 2, max_attempts: 3, delay_ms: 0, worker: 1, last_error: null } }
  assert.equal(nextJob(running, { type: 'RELEASE' })?.context.attempt, 1)
  assert.equal(nextJob(running, { type: 'SNOOZE', delay_ms: 5_000 })?.context.attempt, 1)
  assert.equal(nextJob(running, { type: 'SNOOZE', delay_ms: 5_000 })?.context.delay_ms, 5_000)
})

test('each state offers the events of its edges alone', () => {
  assert.deepEqual(eventsIn('queued'), ['CLAIM', 'CANCEL'])
  assert.deepEqual(eventsIn('done'), ['REQUEUE'])
  assert.deepEqual(eventsIn('running').toSorted(), ['CANCEL', 'FAIL', 'LOSE', 'RELEASE', 'SNOOZE', 'SUCCEED', 'TIMEOUT'])
})
