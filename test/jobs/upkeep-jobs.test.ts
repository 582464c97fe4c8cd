import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { cleanup } from '#jobs/cleanup.ts'
import { metricsSnapshot } from '#jobs/metrics-snapshot.ts'
import { ragIndex } from '#jobs/rag-index.ts'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import { SCHEDULES } from '#jobs/schedules.ts'
import { trainModel } from '#jobs/train-model.ts'
import { testDatabase } from '../support/database.ts'
import { newService, newTenant, newTicket, resultOf, runJob } from './run-job.ts'

const database = await testDatabase()

test('every kind of job that a ticket or a schedule causes is registered, and its payload is accepted', () => {
  for (const name of TICKET_JOB_TYPES) jobTypes.get(name)!.payload.parse({ ticket_id: randomUUID() })
  for (const { job_type, payload, per_organization } of SCHEDULES) {
    jobTypes.get(job_type)!.payload.parse(payload)
    assert.notEqual(jobTypes.get(job_type)!.belongs_to, per_organization ? 'installation' : 'organization')
  }
})

test('an organisation without data has a snapshot without figures, and a slot has one snapshot', async () => {
  const tenant = await newTenant(database)
  for (let run = 0; run < 2; run += 1) await runJob(database, metricsSnapshot, tenant.id, {})
  const rows = await database.owner('select * from metrics_snapshots where organization_id = $1', [tenant.id])
  // Two slots where the clock passed a boundary between the runs.
  assert.equal(new Set(rows.map((row) => (row['snapshot_ts'] as Date).getTime())).size, rows.length)
  const { frt_p50, mttr_p95, sla_compliance_pct, tickets_by_status } = rows[0]!
  assert.deepEqual([frt_p50, mttr_p95, sla_compliance_pct, tickets_by_status], [null, null, null, {}])
})

test('a snapshot has the percentiles of what was answered and solved, in minutes', async () => {
  const tenant = await newTenant(database)
  for (const minutes of [10, 20, 30]) {
    const ticket = await newTicket(database, tenant, { subject: 'old', status: 'resolved', created_at: '2026-01-01T00:00:00Z' })
    await database.owner(
      `update tickets set created_at = now() - interval '1 day', resolved_at = now() - interval '1 day' + make_interval(mins => $2) where id = $1`,
      [ticket, minutes],
    )
  }
  await newTicket(database, tenant, { subject: 'open', assigned_to: tenant.agent, status: 'assigned', priority: 'high' })
  await runJob(database, metricsSnapshot, tenant.id, {})
  const [row] = await database.owner('select * from metrics_snapshots where organization_id = $1', [tenant.id])
  assert.equal(row!['mttr_p50'], 20)
  assert.equal(row!['mttr_p95'], 29)
  assert.equal(row!['frt_p50'], null)
  assert.deepEqual(row!['tickets_by_status'], { resolved: 3, assigned: 1 })
  assert.deepEqual(row!['tickets_by_priority'], { high: 1 })
  assert.deepEqual(row!['agent_load'], { [tenant.agent]: 1 })
})

test('cleanup removes what has served its time in every organisation, and keeps the rest', async () => {
  const [one, two] = [await newTenant(database), await newTenant(database)]
  for (const tenant of [one, two]) {
    const [old, fresh] = [await newTicket(database, tenant, { subject: 'a' }), await newTicket(database, tenant, { subject: 'b' })]
    for (const [ticket, age] of [
      [old, '1 hour'],
      [fresh, '-1 hour'],
    ]) {
      await database.owner(
        `insert into ai_suggestions (organization_id, ticket_id, suggestion_type, content, model_id, expires_at) values ($1, $2, 'smart_reply', 'x', 'm', now() - $3::interval)`,
        [tenant.id, ticket, age],
      )
    }
  }
  const [kept] = await enqueueJobs(database.system, [{ organization_id: null, job_type: 'PROBE', queue: 'default', max_attempts: 1, payload: {} }])
  const [gone] = await enqueueJobs(database.system, [{ organization_id: null, job_type: 'PROBE', queue: 'default', max_attempts: 1, payload: {} }])
  await database.owner(`update job_queue set status = 'cancelled', version = 2, finished_at = now() - interval '8 days' where id = $1`, [gone])
  await runJob(database, cleanup, null, { events_keep_days: 30 })
  for (const tenant of [one, two]) assert.equal((await database.owner('select id from ai_suggestions where organization_id = $1', [tenant.id])).length, 1)
  assert.deepEqual(await database.owner<{ id: string }>('select id from job_queue where id = any($1)', [[kept, gone]]), [{ id: String(kept) }])
})

test('predictions of risk go when they are old, and the week that they were scored in keeps how good they were', async (t) => {
  const tenant = await newTenant(database)
  const ticket = await newTicket(database, tenant, { subject: 'late' })
  // A week that begins in the middle of the test would be another week that is over.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const sinceMonday = (new Date().getUTCDay() + 6) % 7
  for (const [days, breached] of [
    [500, true],
    [sinceMonday + 3, true],
    [sinceMonday + 3, false],
  ] as const) {
    await database.owner(
      `insert into sla_predictions (organization_id, ticket_id, cycle, risk, basis, target_seconds, elapsed_seconds, predicted_at, breached, scored_at)
       values ($1, $2, 1, $3, 'elapsed_share', 100, 50, now() - make_interval(days => $4), $5, now() - make_interval(days => $4))`,
      [tenant.id, ticket, breached ? 0.9 : 0.2, days, breached],
    )
  }
  await runJob(database, metricsSnapshot, tenant.id, { figures: 'ai_quality' })
  await runJob(database, cleanup, null, {})
  const [left] = await database.owner('select count(*)::int as count from sla_predictions where organization_id = $1', [tenant.id])
  assert.equal(left!['count'], 2)
  const [week] = await database.owner<{ report: { sla_risk: { basis: string; rows: number; auc: number }[] } }>(
    'select report from ai_quality_snapshots where organization_id = $1',
    [tenant.id],
  )
  assert.deepEqual(
    week!.report.sla_risk.map(({ basis, rows, auc }) => ({ basis, rows, auc })),
    [{ basis: 'elapsed_share', rows: 2, auc: 1 }],
  )
})

test('days of the log past their time are dropped whole, the others stay, and the log of a job that is older breaks no rule', async (t) => {
  // Days are counted from one instant, also where midnight comes in the middle of the test.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const day = (back: number) => `job_events_${new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')}`
  const [old, kept] = [day(9), day(3)]
  for (const [name, back] of [
    [old, 9],
    [kept, 3],
  ] as const) {
    const [from, to] = [back, back - 1].map((days) => `${new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)} 00:00:00+00`)
    await database.owner(`create table ${name} partition of job_events for values from ('${from}') to ('${to}')`)
  }
  const [id] = await enqueueJobs(database.system, [{ organization_id: null, job_type: 'PROBE', queue: 'default', max_attempts: 1, payload: {} }])
  const nineDaysAgo = new Date(Date.now() - 9 * 86_400_000)
  await database.owner('update job_queue set created_at = $2 where id = $1', [id, nineDaysAgo])
  await database.owner('update job_events set at = $2 where job_id = $1', [id, nineDaysAgo])
  const partitions = async () =>
    (await database.owner<{ name: string }>(`select inhrelid::regclass::text as name from pg_inherits where inhparent = 'job_events'::regclass`)).map(
      ({ name }) => name,
    )
  assert.equal((await database.owner(`select from ${old}`)).length, 1, 'the event stands in its day')
  await runJob(database, cleanup, null, { events_keep_days: 7 })
  const left = await partitions()
  assert.deepEqual([left.includes(old), left.includes(kept)], [false, true])
  assert.ok(left.includes(day(-14)), 'and the days ahead are made')
  assert.deepEqual(await database.owner('select from job_events where job_id = $1', [id]), [])
  assert.deepEqual(await database.owner('select * from job_log_violations where job_id = $1', [id]), [])
})

test('training keeps how the models did on rows that they had not seen', async () => {
  const tenant = await newTenant(database)
  const services = [await newService(database, tenant, 'Brakes'), await newService(database, tenant, 'Bills')]
  for (let index = 0; index < 40; index += 1) {
    await newTicket(database, tenant, { subject: index % 2 ? `the bill number ${index} is wrong` : `brake ${index} squeals`, service_id: services[index % 2] })
  }
  for (let run = 0; run < 2; run += 1) await runJob(database, trainModel, tenant.id, {})
  const rows = await database.owner('select field, trained_rows, labels, measured_rows, accuracy from ai_models where organization_id = $1', [tenant.id])
  assert.deepEqual(rows, [{ field: 'category', trained_rows: 40, labels: 2, measured_rows: 40, accuracy: 1 }])
})

test('an article is indexed in chunks with its links, left alone while it is the same, and removed when withdrawn', async () => {
  const tenant = await newTenant(database)
  const service = await newService(database, tenant, 'Network')
  const [article] = await database.owner<{ id: string }>(
    `insert into kb_articles (organization_id, slug, title, content, is_published) values ($1, 'vpn', 'VPN certificate', $2, true) returning id`,
    [tenant.id, 'Renew the VPN certificate in the client.\n\nThen restart the tunnel.'],
  )
  const ticket = await newTicket(database, tenant, { subject: 'VPN certificate expired', status: 'resolved', service_id: service, tags: ['vpn'] })
  const kb = { source_type: 'kb' as const, source_id: article!.id }
  await runJob(database, ragIndex, tenant.id, kb)
  await runJob(database, ragIndex, tenant.id, { source_type: 'ticket', source_id: ticket })
  const edges = await database.owner(
    `select edge_type, target.node_type from rag_edges join rag_nodes source on source.id = from_node join rag_nodes target on target.id = to_node
      where source.node_key = $1 order by 1`,
    [ticket],
  )
  assert.deepEqual(
    edges.map((row) => row['edge_type']),
    ['belongs_service', 'mentioned_tag', 'relates_to'],
  )
  const chunks = await database.owner('select content from rag_chunks join rag_documents document on document.id = document_id where source_id = $1', [
    article!.id,
  ])
  assert.ok(chunks.length >= 1)
  assert.deepEqual(resultOf(await runJob(database, ragIndex, tenant.id, kb)), { unchanged: true })
  await database.owner('update kb_articles set is_published = false where id = $1', [article!.id])
  assert.deepEqual(resultOf(await runJob(database, ragIndex, tenant.id, kb)), { removed: true })
  assert.deepEqual(await database.owner('select id from rag_documents where source_id = $1', [article!.id]), [])
})
