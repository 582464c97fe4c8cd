import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Course } from '#actors/course.ts'
import { nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'
import type { JobEvent } from '#machines/job.ts'

const queued = (attempt: number): JobStanding => ({ state: 'queued', context: { attempt, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } })
const fault = { class: 'Error', message: 'no' }

const event = fc.constantFrom<JobEvent>(
  { type: 'CLAIM', worker: 0, waited_ms: 0 },
  { type: 'START' },
  { type: 'SUCCEED' },
  { type: 'RELEASE' },
  { type: 'CANCEL' },
  { type: 'SNOOZE', delay_ms: 5 },
  { type: 'FAIL', fault, permanent: false, backoff_ms: 7 },
  { type: 'FAIL', fault, permanent: true, backoff_ms: 7 },
)
const taken = fc.record({
  event,
  worker: fc.integer({ min: 1, max: 2 }),
  at: fc.integer({ min: 1, max: 3 }),
  details: fc.constantFrom(undefined, { reason: 'asked' }),
})

test('courses that are shared say of each job what the machine says of it alone', () => {
  fc.assert(
    fc.property(fc.array(fc.array(taken, { maxLength: 6 }), { minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 2 }), (jobs, attempt) => {
      const shared = new Course(queued(attempt))
      for (const steps of jobs) {
        let [course, standing] = [shared, queued(attempt)]
        const told: unknown[] = []
        for (const { event, worker, at, details } of steps) {
          const one: JobEvent = event.type === 'CLAIM' ? { ...event, worker } : event
          const byMachine = nextJob(standing, one)
          const next = course.step(one, worker, at, details)
          assert.equal(next === null, byMachine === null)
          if (!next || !byMachine) continue
          told.push({ event: one.type, from: standing.state, to: byMachine.state, attempt: byMachine.context.attempt, worker, decided_at: at, details })
          ;[course, standing] = [next, byMachine]
          assert.deepEqual(course.standing, standing)
          assert.deepEqual(course.transitions, told)
        }
        assert.deepEqual(course.recorded().standing, standing)
        assert.equal(course.recorded().transitions.length, 0)
      }
    }),
  )
})

test('a step in the same millisecond is decided once, in another one anew', () => {
  const course = new Course(queued(0))
  const claimed = course.step({ type: 'CLAIM', worker: 7, waited_ms: 0 }, 7, 100)
  assert.equal(course.step({ type: 'CLAIM', worker: 7, waited_ms: 0 }, 7, 100), claimed)
  assert.notEqual(course.step({ type: 'CLAIM', worker: 7, waited_ms: 0 }, 7, 101), claimed)
  assert.notEqual(course.step({ type: 'CLAIM', worker: 8, waited_ms: 0 }, 8, 100), claimed)
})
