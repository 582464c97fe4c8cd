import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { fuzz } from '../support/fuzz.ts'
import { testServer } from '../support/server.ts'

/** `npm run fuzz -- --requests 20000 --seed 7` sets both. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)

test(`${REQUESTS} generated requests of the whole document yield no fault and nothing of another organisation (seed ${SEED})`, async () => {
  const database = await testDatabase()
  const app = await testServer(database)
  const say = process.env['FUZZ_REQUESTS'] ? (line: string) => void process.stderr.write(`${line}\n`) : () => {}
  const report = await fuzz(database, app, { requests: REQUESTS, seed: SEED, say })
  say(JSON.stringify({ requests: report.requests, statuses: report.statuses, unanswered: report.unanswered }))
  const shown = report.findings.slice(0, 20).map(({ fault, role, request, answer, seed }) => `${fault}\n  ${role} (round ${seed}): ${request}\n  ${answer}`)
  assert.equal(report.findings.length, 0, `${report.findings.length} findings\n${shown.join('\n')}`)
  assert.equal(report.requests, REQUESTS)
  // Refusals alone would prove nothing: half of what is asked, at the least, has to come as far as the handlers.
  const reached = (report.statuses['200'] ?? 0) + (report.statuses['201'] ?? 0) + (report.statuses['204'] ?? 0) + (report.statuses['404'] ?? 0)
  assert.ok(reached > REQUESTS / 5, JSON.stringify(report.statuses))
})
