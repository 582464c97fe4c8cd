import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplayMismatch } from '#machines/replay.ts'
import { simulate } from './simulate.ts'
import type { Weakness } from './twin.ts'
import { Violation } from './world.ts'

/** SIMULATION_SEEDS for more of them, SIMULATION_SEED for one alone, with its whole trace. */
const SEEDS = Number(process.env['SIMULATION_SEEDS'] ?? 6_000)
const ONE = process.env['SIMULATION_SEED']
/** The rarest of the known faults shows itself by then. */
const FINDING_SEEDS = 20_000
const TRACE_LINES = 150
/** What says nothing, and is left out of a trace that is not asked for. */
const IDLE = /(lanes|declare lost|held): \[\]$|unrescued: false$|heartbeat: true$/

/** The events of a failing seed, the last ones, and how to see them all. */
function explain(seed: number, error: unknown): string {
  let trace: readonly string[] = []
  try {
    simulate(seed, { traced: true, trace: (lines) => (trace = lines) })
  } catch {
    // The same as before: a seed repeats itself.
  }
  return `seed ${seed}: ${String(error)}\n${(ONE ? trace : trace.filter((line) => !IDLE.test(line)).slice(-TRACE_LINES)).join('\n')}\nSIMULATION_SEED=${seed} repeats it`
}

test('through crashes, partitions, lost answers and a falling server, every job ends, once, with a log that the machine could have written', (t) => {
  const seeds = ONE ? [Number(ONE)] : Array.from({ length: SEEDS }, (_, index) => index + 1)
  const started = performance.now()
  let events = 0
  const fates = { whole: 0, part: 0, undone: 0, left: 0, stale: 0 }
  for (const seed of seeds) {
    try {
      const simulated = simulate(seed)
      events += simulated.events
      for (const fate of Object.keys(fates) as (keyof typeof fates)[]) fates[fate] += simulated.fates[fate]
    } catch (error) {
      assert.fail(explain(seed, error))
    }
  }
  t.diagnostic(`${seeds.length} seeds, ${events} transitions, ${Math.round(performance.now() - started)} ms; bundles ${JSON.stringify(fates)}`)
  if (!ONE) assert.ok(Math.min(...Object.values(fates)) > 0, 'bundles are taken in whole and in part, undone, left, and have members that moved on')
})

test('a seed repeats itself to the letter', () => {
  const once = simulate(7, { traced: true })
  assert.deepEqual(simulate(7, { traced: true }), once)
  assert.ok(once.trace.length > 50)
})

const WEAKNESSES: readonly Weakness[] = [
  'fenced by version alone',
  'rescue closed early',
  'suspects forgotten',
  'claims merged',
  'asked once',
  'the rest of a bundle loses a job',
  'a bundle is trusted whatever became of its jobs',
  'a bundle goes when it was taken in part',
  'bundles are counted instead of jobs',
  'a job that is put off stays in its bundle',
  'a hidden lease is forgotten',
  'a hand gives leased jobs places',
]
for (const weakness of WEAKNESSES) {
  test(`it finds what goes wrong in an engine with this fault: ${weakness}`, (t) => {
    const found = Array.from({ length: FINDING_SEEDS }, (_, index) => index + 1).find((seed) => {
      try {
        simulate(seed, { weakness })
        return false
      } catch (error) {
        assert.ok(error instanceof Violation || error instanceof ReplayMismatch, String(error))
        return true
      }
    })
    assert.notEqual(found, undefined)
    t.diagnostic(`${weakness}: seed ${found}`)
  })
}
