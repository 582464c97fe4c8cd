import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inOrganization } from '#db/pool.ts'
import { insertSlaModel } from '#db/sla-risk.ts'
import { newService, newTenant, newTicket } from '../jobs/run-job.ts'
import { testDatabase } from '../support/database.ts'
import { run } from './program.ts'

const database = await testDatabase()
const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-models-'))
after(() => rm(ATUM_DATA_DIR, { recursive: true }))
const tenant = await newTenant(database)
const [{ slug } = { slug: '' }] = await database.owner<{ slug: string }>('select slug from organizations where id = $1', [tenant.id])

const program = (...args: string[]) => run([...args, '--organization', slug], { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR })
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await program(...args, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as T
}

test('models are learned, listed and rolled back by one command each, and the audit says by whom', async () => {
  const services = [await newService(database, tenant, 'Brakes'), await newService(database, tenant, 'Bills')]
  const learn = async (round: number): Promise<void> => {
    for (let index = 0; index < 30; index += 1) {
      const subject = index % 2 ? `the bill number ${round} ${index} is wrong` : `brake ${round} ${index} squeals`
      await newTicket(database, tenant, { subject, service_id: services[index % 2 ? 1 : 0], status: 'resolved' })
    }
  }
  await learn(1)
  const first = await json<{ models: { field: string; version: number; activate: boolean }[] }>('ai', 'train')
  assert.deepEqual(
    first.models.map(({ field, version, activate }) => ({ field, version, activate })),
    [{ field: 'category', version: 1, activate: true }],
  )
  await learn(2)
  assert.equal((await json<{ models: { version: number }[] }>('ai', 'train')).models[0]!.version, 2)
  const active = async (): Promise<number[]> =>
    (await json<{ items: { version: number; is_active: boolean }[] }>('ai', 'models', 'list')).items
      .filter((one) => one.is_active)
      .map(({ version }) => version)
  assert.deepEqual(await active(), [2])
  assert.match((await program('ai', 'models', 'activate', 'category', '1')).stdout, /Version 1 of category answers now/)
  assert.deepEqual(await active(), [1])
  const unknown = await program('ai', 'models', 'activate', 'tags', '1')
  assert.notEqual(unknown.code, 0)
  assert.match(unknown.stderr, /There is no version 1 of tags/)
  const acts = await database.owner(`select action from audit_log where organization_id = $1 and entity_type = 'ai_model' order by id`, [tenant.id])
  assert.deepEqual(
    acts.map(({ action }) => action),
    ['ai_model.train', 'ai_model.train', 'ai_model.activate'],
  )
})

test('an older training of the risk serves again by one command', async () => {
  for (const version of [1, 2]) {
    await inOrganization(database.system, tenant.id, (tx) => insertSlaModel(tx, { model: { version }, measured: { auc: 0.8 }, cases: 100, is_active: true }))
  }
  assert.match((await program('sla', 'models', 'activate', '1')).stdout, /Training 1 serves now/)
  const { items } = await json<{ items: { version: number; is_active: boolean }[] }>('sla', 'models', 'list')
  assert.deepEqual(
    items.map(({ version, is_active }) => ({ version, is_active })),
    [
      { version: 2, is_active: false },
      { version: 1, is_active: true },
    ],
  )
  const refused = await program('sla', 'models', 'activate', '7')
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /no training 7/)
  const [act] = await database.owner(`select details ->> 'version' as version from audit_log where organization_id = $1 and action = 'sla_model.activate'`, [
    tenant.id,
  ])
  assert.equal(act!['version'], '1')
})
