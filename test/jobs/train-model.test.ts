import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activateModel } from '#db/ai-models.ts'
import { inOrganization } from '#db/pool.ts'
import { sentimentAnalysis } from '#jobs/sentiment-analysis.ts'
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

const FIELDS = ['assignee', 'category', 'group', 'priority', 'tags']

/** A desk of two services, each with a group of one, whose solved tickets have tags, people and priorities. */
async function workedDesk(rounds: number): Promise<{ tenant: Tenant; other: string; services: Record<string, string> }> {
  const { tenant, services } = await tenantWithServices()
  const [second] = await database.owner<{ id: string }>(
    `insert into users (organization_id, email, password_hash, full_name, role) values ($1, $2, 'x', 'Kim', 'agent') returning id`,
    [tenant.id, `kim@${tenant.id}.test`],
  )
  const people = { Bicycles: tenant.agent, Invoices: second!.id }
  for (const name of ['Bicycles', 'Invoices'] as const) {
    await database.owner(
      `with made as (insert into agent_groups (organization_id, name) values ($1, $2) returning id),
            member as (insert into agent_group_members (organization_id, group_id, user_id) select $1, id, $3 from made)
       update services set group_id = made.id from made where services.id = $4`,
      [tenant.id, `${name} people`, people[name], services[name]],
    )
    for (let round = 0; round < rounds; round += 1) {
      const word = WORDS[name][Math.floor(round / 4) % WORDS[name].length]!
      await newTicket(database, tenant, {
        subject: `The ${word} again ${round}`,
        description: `about the ${word} of mine`,
        service_id: services[name],
        status: 'resolved',
        accepted_at: new Date(),
        priority: name === 'Bicycles' ? 'high' : 'low',
        tags: [name === 'Bicycles' ? 'workshop' : 'billing'],
        assigned_to: people[name],
      })
    }
  }
  return { tenant, other: second!.id, services }
}

async function predictions(tenant: Tenant, word: string): Promise<Record<string, { value: unknown; explanation: Record<string, unknown> }>> {
  const ticket = await newTicket(database, tenant, { subject: `The ${word} again 7`, description: `about the ${word} of mine` })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const rows = await database.owner<{ field: string; value: unknown; explanation: Record<string, unknown> }>(
    'select field, value, explanation from ai_predictions where ticket_id = $1 and is_live',
    [ticket],
  )
  return Object.fromEntries(rows.map((row) => [row.field, row]))
}

test('every field has a model of its own: versioned, measured on rows that it had not seen, and answering', async () => {
  const { tenant, other } = await workedDesk(20)
  await runJob(database, trainModel, tenant.id, {})
  const models = await database.owner(
    'select field, version, is_active, measured_rows > 0 as measured from ai_models where organization_id = $1 order by field',
    [tenant.id],
  )
  assert.deepEqual(
    models,
    FIELDS.map((field) => ({ field, version: 1, is_active: true, measured: true })),
  )
  const found = await predictions(tenant, 'tax')
  assert.deepEqual(
    ['assignee', 'category', 'group', 'priority', 'tags'].map((field) => found[field]!.value),
    [other, 'Invoices', 'Invoices people', 'low', ['billing']],
  )
  for (const field of ['assignee', 'group', 'tags']) {
    const words = found[field]!.explanation['words'] as { words: string }[]
    assert.ok(
      words.some((each) => each.words.includes('tax')),
      `${field} says which words spoke for it`,
    )
  }
})

test('tags and people that agents changed are what the next training says, and an older version can be made to answer again', async () => {
  const { tenant, other, services } = await workedDesk(20)
  for (const tag of ['workshop', 'garage']) await newTicket(database, tenant, { subject: `About ${tag}`, tags: [tag] })
  await runJob(database, trainModel, tenant.id, {})
  const first = await predictions(tenant, 'brake')
  assert.deepEqual([first['tags']!.value, first['assignee']!.value], [['workshop'], tenant.agent])
  await database.owner(
    `update tickets set tags = '{garage}', assigned_to = case when service_id = $2 then $3::uuid else $4::uuid end where organization_id = $1 and service_id is not null`,
    [tenant.id, services['Bicycles'], other, tenant.agent],
  )
  // What came before is judged by what came since: nothing has, so its own figure stands.
  await runJob(database, trainModel, tenant.id, {})
  const second = await predictions(tenant, 'brake')
  assert.deepEqual([second['tags']!.value, second['assignee']!.value], [['garage'], other])
  await inOrganization(database.system, tenant.id, async (tx) => assert.equal(await activateModel(tx, 'tags', 1), true))
  assert.deepEqual((await predictions(tenant, 'brake'))['tags']!.value, ['workshop'])
})

test('a training that finds nothing new is no new version, and asks for no other one', async () => {
  const { tenant } = await workedDesk(30)
  await runJob(database, trainModel, tenant.id, {})
  await runJob(database, trainModel, tenant.id, {})
  const [row] = await database.owner(`select max(version) as version from ai_models where organization_id = $1`, [tenant.id])
  assert.equal(row!['version'], 1)
  await best(tenant, 'brake')
  assert.deepEqual(await database.owner(`select id from job_queue where organization_id = $1 and job_type = 'TRAIN_MODEL'`, [tenant.id]), [])
})

const MOODS = {
  negative: ['still no parcel since Monday', 'we wait for the parcel since Monday', 'once more no parcel since Monday'],
  neutral: ['where do I find the form', 'the order number is on the form', 'which form do I take'],
  positive: ['the new portal saves me an hour', 'it runs smoothly now', 'runs like a charm now'],
}

test('moods are read by the lexicon until agents have said enough of them, then by what they said where that is better', async () => {
  const tenant = await newTenant(database)
  const mood = async (subject: string): Promise<Record<string, unknown>> => {
    const ticket = await newTicket(database, tenant, { subject })
    await runJob(database, sentimentAnalysis, tenant.id, { ticket_id: ticket })
    return (await database.owner('select value, model from ai_predictions where ticket_id = $1 and field = $2', [ticket, 'sentiment']))[0]!
  }
  const fresh = 'we still wait for it, no parcel since Monday'
  assert.deepEqual(await mood(fresh), { value: 'neutral', model: 'sentiment-lexicon-1' })
  for (const [label, texts] of Object.entries(MOODS)) {
    for (let round = 0; round < 4; round += 1) {
      for (const text of texts) {
        const ticket = await newTicket(database, tenant, { subject: `${text} ${round}` })
        await database.owner(
          `insert into ai_labels (organization_id, ticket_id, field, value, is_right, source, user_id) values ($1, $2, 'sentiment', to_jsonb($3::text), true, 'edit', $4)`,
          [tenant.id, ticket, label, tenant.agent],
        )
      }
    }
  }
  await runJob(database, trainModel, tenant.id, {})
  const [model] = await database.owner(`select is_active, trained_rows, verdict from ai_models where organization_id = $1 and field = 'sentiment'`, [tenant.id])
  assert.deepEqual([model!['is_active'], model!['trained_rows']], [true, 36])
  assert.match(String(model!['verdict']), /by the lexicon$/)
  assert.deepEqual(await mood(fresh), { value: 'negative', model: 'text-1-sentiment' })
})
