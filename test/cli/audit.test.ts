import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { run } from './program.ts'

const database = await testDatabase()
const directory = await mkdtemp(join(tmpdir(), 'atum-desk-audit-'))
after(() => rm(directory, { recursive: true }))
const here = { ATUM_DATA_DIR: directory, DATABASE_URL: database.ownerUrl, LOG_LEVEL: 'warn' }

interface Report {
  intact: boolean
  chains: { organization_id: string | null; rows: number; head: { seq: number; hash: string }; broken: { seq: number; id: number; fault: string } | null }[]
}
const verify = async (...args: string[]) => {
  const { code, stdout } = await run(['audit', 'verify', '--json', ...args], here)
  return { code, report: JSON.parse(stdout) as Report, stdout }
}

test('audit verify follows every chain, names the first broken row, and holds chains to heads that were kept', async () => {
  await run(['migrate', 'up'], here)
  await database.owner(`insert into audit_log (action, entity_type, entity_id) select 'a.b', 'a', n::text from generate_series(1, 9) n`)
  const sound = await verify()
  assert.deepEqual([sound.code, sound.report.intact, sound.report.chains[0]!.rows], [0, true, 9])
  const heads = join(directory, 'heads.json')
  await writeFile(heads, sound.stdout)
  assert.equal((await verify('--against', heads)).code, 0)
  assert.match((await run(['audit', 'verify', '--against', '/nowhere'], here)).stderr, /--against/)

  await database.owner('alter table audit_log disable trigger user')
  await database.owner(`update audit_log set details = '{"n": 1}' where seq = 4`)
  const { code, report } = await verify()
  assert.deepEqual([code, report.intact, report.chains[0]!.broken?.seq, report.chains[0]!.broken?.fault], [1, false, 4, 'changed'])
  assert.match((await run(['audit', 'verify'], here)).stdout, /BROKEN at 4/)

  // Whoever owns the database can write the whole chain anew; a head that was kept elsewhere tells.
  await database.owner(`do $$ declare e audit_log; h bytea := sha256(''); begin
    for e in select * from audit_log order by seq loop
      h := audit_hash(h, e.seq, e.id, e.organization_id, e.actor_id, e.action, e.entity_type, e.entity_id, e.details, e.request_id, e.at);
      update audit_log set hash = h where id = e.id;
    end loop;
    update audit_heads set hash = h; end $$`)
  assert.equal((await verify()).code, 0)
  assert.deepEqual([(await verify('--against', heads)).code, (await verify('--against', heads)).report.chains[0]!.broken?.seq], [1, 9])
})
