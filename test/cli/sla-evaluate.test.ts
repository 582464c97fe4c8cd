import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RiskRow } from '#sla/risk-columns.ts'
import { madeUpCases } from '../support/risk-rows.ts'
import { run } from './program.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-sla-'))
after(() => rm(directory, { recursive: true }))

const HEADER = 'case_id,observed_at,target_seconds,elapsed_seconds,priority,service,load,closed_at,breached'
async function csv(name: string, rows: readonly RiskRow[], header = HEADER): Promise<string> {
  const file = join(directory, name)
  const line = (row: RiskRow): string =>
    [
      row.case_id,
      new Date(row.observed_at).toISOString(),
      row.target_seconds,
      row.elapsed_seconds,
      row.features['priority'],
      row.features['service'],
      row.features['load'],
      new Date(row.observed_at + 1).toISOString(),
      row.breached,
    ].join()
  await writeFile(file, [header, ...rows.map(line)].join('\n'))
  return file
}

const rows = madeUpCases(500)
const [train, held] = [await csv('train.csv', rows.slice(0, 1_000)), await csv('test.csv', rows.slice(900))]

test('sla evaluate prints the figures of the contract, and what it did not use', async () => {
  const { code, stdout, stderr } = await run(['sla', 'evaluate', '--train', train, '--test', held, '--json'])
  assert.equal(code, 0, stderr)
  const found = JSON.parse(stdout) as Record<string, unknown>
  for (const name of ['auc', 'brier', 'ece', 'auc_elapsed_share', 'brier_elapsed_share']) assert.equal(typeof found[name], 'number', name)
  assert.ok((found['by_age'] as { age: string; rows: number; auc: number }[]).every((group) => typeof group.age === 'string' && group.rows > 0))
  assert.ok(Number(found['dropped_train_rows']) >= 100)
  assert.match((found['left_out'] as Record<string, string>)['closed_at']!, /afterwards/)
})

test('a file that is no such table is refused by what is wrong with it', async () => {
  const refused = async (file: string): Promise<string> => {
    const { code, stderr } = await run(['sla', 'evaluate', '--train', file, '--test', held])
    assert.notEqual(code, 0)
    return stderr
  }
  assert.match(await refused(join(directory, 'none.csv')), /There is no file/)
  assert.match(await refused(await csv('short.csv', rows.slice(0, 3), HEADER.replace('breached', 'missed'))), /no column "breached"/)
  assert.match(await refused(await csv('zero.csv', [{ ...rows[0]!, target_seconds: 0 }])), /row 1: target_seconds must be above 0/)
})
