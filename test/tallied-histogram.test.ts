import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { TalliedHistogram } from '#tallied-histogram.ts'

const NAME = { name: 'waits', help: 'How long' }
/** Halves and eighths, whose sums are exact in whatever order. */
const BOUNDS = [0.125, 0.5, 1, 8]
const value = fc.oneof(
  fc.constantFrom(0, ...BOUNDS),
  fc.integer({ min: 0, max: 40 }).map((n) => n / 2),
)

test('a tallied histogram is read as prom-client reads its own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ label: fc.constantFrom('A', 'B "b"'), value, times: fc.integer({ min: 1, max: 3 }) })), async (observed) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const tallied = new TalliedHistogram({ ...NAME, labelName: 'kind', buckets: BOUNDS }, ours)
      const own = new Histogram({ ...NAME, labelNames: ['kind'], buckets: BOUNDS, registers: [theirs] })
      for (const one of observed) {
        tallied.of(one.label).observe(one.value, one.times)
        for (let n = 0; n < one.times; n += 1) own.observe({ kind: one.label }, one.value)
      }
      assert.equal(await ours.metrics(), await theirs.metrics())
    }),
  )
})
