import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activateModel } from '#db/ai-models.ts'
import { inOrganization } from '#db/pool.ts'
import { trainModel } from '#jobs/train-model.ts'
import { triageTicket } from '#jobs/triage-ticket.ts'
import { testDatabase } from '../support/database.ts'
import { newService, newTenant, newTicket, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()

const WORDS = { Bicycles: ['chain', 'brake', 'tyre', 'wheel', 'gear'], Invoices: ['receipt', 'amount', 'tax', 'billing', 'refund'] }

async function tickets(tenant: Tenant, services: Record<string, string>, rounds: number, swapped = false): Promise<void> {
  const names = Object.keys(WORDS) as (keyof typeof WORDS)[]
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, name] of names.entries()) {
      const service = services[swapped ? names[1 - index]! : name]
      const word = WORDS[name][round % WORDS[name].length]!
      await newTicket(database, tenant, {
        subject: `The ${word} again ${round}`,
        description: `about the ${word} of mine`,
        service_id: service,
        status: 'resolved',
      })
    }
  }
}

async function tenantWithServices(): Promise<{ tenant: Tenant; services: Record<string, string> }> {
  const tenant = await newTenant(database)
  return { tenant, services: { Bicycles: await newService(database, tenant, 'Bicycles'), Invoices: await newService(database, tenant, 'Invoices') } }
}

const versions = (tenant: Tenant): Promise<Record<string, unknown>[]> =>
  database.owner(`select version, is_active, trained_rows from ai_models where organization_id = $1 and field = 'category' order by version`, [tenant.id])

/** The category that comes first, whether or not triage is sure enough of it. */
async function best(tenant: Tenant, word: string): Promise<unknown> {
  const ticket = await newTicket(database, tenant, { subject: `The ${word} again 99`, description: `about the ${word} of mine` })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const [row] = await database.owner(`select explanation #>> '{category,candidates,0,label}' as best from ticket_ai_triage where ticket_id = $1`, [ticket])
  return row!['best']
}

test('each training is a version, a worse one does not answer, and an older one can be made to again', async () => {
  const { tenant, services } = await tenantWithServices()
  await tickets(tenant, services, 20)
  await runJob(database, trainModel, tenant.id, {})
  assert.deepEqual(await versions(tenant), [{ version: 1, is_active: true, trained_rows: 40 }])
  assert.equal(await best(tenant, 'brake'), 'Bicycles')

  await tickets(tenant, services, 5)
  await runJob(database, trainModel, tenant.id, {})
  assert.deepEqual((await versions(tenant))[1], { version: 2, is_active: true, trained_rows: 50 })

  // Labels that contradict the others by chance: what learns from them cannot be right on them.
  await database.owner(
    `update tickets set service_id = case when (hashtext(id::text) & 1) = 0 then $2::uuid else $3::uuid end where organization_id = $1 and service_id is not null`,
    [tenant.id, services['Bicycles'], services['Invoices']],
  )
  await runJob(database, trainModel, tenant.id, {})
  assert.deepEqual((await versions(tenant))[2], { version: 3, is_active: false, trained_rows: 50 })
  const [worse] = await database.owner(`select verdict from ai_models where organization_id = $1 and version = 3`, [tenant.id])
  assert.match(String(worse!['verdict']), /^worse: /)
  assert.equal(await best(tenant, 'brake'), 'Bicycles')

  await inOrganization(database.system, tenant.id, async (tx) => {
    assert.equal(await activateModel(tx, 'category', 1), true)
    assert.equal(await activateModel(tx, 'category', 9), false)
  })
  assert.deepEqual(
    (await versions(tenant)).map(({ is_active }) => is_active),
    [true, false, false],
  )
})

test('a rolled-back version answers from the next job on', async () => {
  const { tenant, services } = await tenantWithServices()
  await tickets(tenant, services, 15)
  await runJob(database, trainModel, tenant.id, {})
  await database.owner('update tickets set service_id = null where organization_id = $1', [tenant.id])
  await tickets(tenant, services, 40, true)
  await database.owner(`update ai_models set accuracy = null where organization_id = $1`, [tenant.id])
  await database.owner(`update ai_models set trained_at = now() where organization_id = $1`, [tenant.id])
  await runJob(database, trainModel, tenant.id, {})
  assert.equal(await best(tenant, 'brake'), 'Invoices')
  await inOrganization(database.system, tenant.id, (tx) => activateModel(tx, 'category', 1))
  assert.equal(await best(tenant, 'brake'), 'Bicycles')
})

test('when enough labels have come, a triage asks for one training, and not for a second one', async () => {
  const { tenant, services } = await tenantWithServices()
  await tickets(tenant, services, 26)
  await best(tenant, 'brake')
  await best(tenant, 'tax')
  const jobs = await database.owner(`select job_type from job_queue where organization_id = $1 and job_type = 'TRAIN_MODEL'`, [tenant.id])
  assert.equal(jobs.length, 1)
})
