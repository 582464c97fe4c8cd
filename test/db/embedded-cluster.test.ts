import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createCluster } from '#db/embedded-cluster.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-cluster-'))
after(() => rm(directory, { recursive: true }))

test('a cluster of another PostgreSQL is left as it is, with words that say what to do', async () => {
  const cluster = join(directory, 'postgres')
  await mkdir(cluster)
  await writeFile(join(cluster, 'PG_VERSION'), '15\n')
  const none = { initdb: '/none', postgres: '/none', pg_ctl: '/none' }
  await assert.rejects(
    createCluster(cluster, none, {}, 'secret', () => {}),
    { name: 'ClusterError', message: /was made by PostgreSQL 15, and this program brings 18\.\n.*backup/ },
  )
  assert.deepEqual(await readdir(directory), ['postgres'])
})
