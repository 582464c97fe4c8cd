import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { readConfig } from '#config.ts'
import { freePort } from '#db/embedded.ts'
import { createLogger } from '#log.ts'
import { buildServer } from '#http/server.ts'
import { start } from '../cli/program.ts'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, SECRET } from '../support/server.ts'
import { runTool, without } from '../support/tools.ts'

const WORKERS = 2
const skip = without('prometheus', 'promtool')
const infra = fileURLToPath(new URL('../../infra', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'atum-desk-prometheus-'))
after(() => rm(directory, { recursive: true }))

/** The names that dashboards and alerts of others rely on. */
const PROMISED = [
  'atum_http_requests_total',
  'atum_http_request_duration_seconds',
  'atum_errors_total',
  'atum_job_queue_depth',
  'atum_rag_queue_depth',
  'atum_worker_job_total',
  'atum_db_pool_connections',
  'atum_db_up',
  'atum_ollama_up',
  'atum_ollama_inference_seconds',
  'atum_org_context_missing_total',
  'atum_rls_denied_total',
  'atum_job_transitions_total',
  'atum_job_wait_seconds',
  'atum_job_run_seconds',
  'atum_job_oldest_due_seconds',
  'atum_jobs_rescued_total',
  'atum_claim_batch_size',
  'atum_recorder_flush_seconds',
  'atum_actor_restarts_total',
  'atum_sla_breaches_total',
  'atum_sla_check_lateness_seconds',
  'atum_ai_decisions_total',
  'atum_ai_confidence',
  'atum_event_loop_lag_seconds',
]

test('the rules are sound, and alert when they should and not before', { skip }, () => {
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ]) {
    const { status, said } = runTool('promtool', args, { cwd: join(infra, 'prometheus') })
    assert.equal(status, 0, said)
  }
})

test('every alert has a test, and every section of the runbook that one names is there', async () => {
  const read = (file: string) => readFile(join(infra, file), 'utf8')
  const [rules, tests, runbook] = await Promise.all([read('prometheus/alerts.yml'), read('prometheus/alerts.test.yml'), read('../docs/runbook.md')])
  for (const [, alert = ''] of rules.matchAll(/- alert: (\w+)/g)) assert.match(tests, new RegExp(`alertname: ${alert}\\n\\s+exp_alerts`), alert)
  const anchors = [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  for (const [, anchor = ''] of rules.matchAll(/runbook: docs\/runbook\.md#(\S+)/g)) assert.ok(anchors.includes(anchor), anchor)
})

test('a Prometheus that scrapes an API and its workers sees every metric, answers every panel, and alerts on a killed worker', { skip }, async (t) => {
  const database = await testDatabase()
  const ports = await Promise.all(Array.from({ length: WORKERS + 1 }, freePort))
  const workers = ports.slice(1).map((port) =>
    start(['work'], {
      DATABASE_URL: database.ownerUrl,
      ATUM_DATA_DIR: directory,
      WORKER_METRICS_PORT: String(port),
      HEARTBEAT_MS: '500',
      WORKER_LOST_MS: '5000',
    }),
  )
  after(() => workers.forEach(({ process }) => process.kill('SIGKILL')))
  const app = await buildServer({ config: readConfig({}), database, secret: SECRET, log: createLogger('silent', 'test') })
  after(() => app.close())
  const api = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const prometheus = await startPrometheus(ports[0]!, { api: [api.host], worker: ports.slice(1).map((port) => `127.0.0.1:${port}`) })

  const organization = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', organization)
  const operator = await clientOf(app, database, 'operator')
  const load = async () => {
    for (const subject of ['The printer is on fire', 'I cannot sign in'])
      await admin.post('/tickets', { subject, description: `${subject}, and it is terrible.` })
    for (const payload of [{}, { fail_times: 1 }, { fail_times: 1, permanent: true }]) await operator.post('/jobs', { job_type: 'PROBE', payload, count: 5 })
    await operator.get('/tickets')
  }

  await t.test('both kinds of process are scraped', async () => {
    await until(async () => (await prometheus.value('sum(up)')) === WORKERS + 1, 'all are up')
  })

  await t.test('what both export is clean for promtool', async () => {
    for (const port of [api.port, ...ports.slice(1)]) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      const { status, said } = runTool('promtool', ['check', 'metrics'], { input: text })
      assert.equal(status, 0, said)
      for (const name of PROMISED) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'))
    }
  })

  await t.test('what moves under load moves in Prometheus', async () => {
    const moving = [
      'sum(atum_http_requests_total{method="POST", endpoint="/api/v1/tickets", status="201"})',
      'sum(atum_http_request_duration_seconds_count)',
      'sum(atum_org_context_missing_total)',
      'sum(atum_job_queue_depth{status="done"})',
      'sum(atum_job_queue_depth{status="failed"})',
      'sum(atum_db_pool_connections{job="atum-desk-worker"})',
      'min(atum_db_up)',
      'sum(atum_worker_job_total{job_type="TRIAGE_TICKET", status="done"})',
      'sum(atum_worker_job_total{job_type="PROBE", status="retried"})',
      'sum(atum_job_transitions_total{job="atum-desk-api", event="ENQUEUE", job_type="TRIAGE_TICKET"})',
      ...['CLAIM', 'START', 'SUCCEED', 'FAIL'].map((event) => `sum(atum_job_transitions_total{event="${event}"})`),
      'sum(atum_job_wait_seconds_count)',
      'sum(atum_job_run_seconds_count)',
      'sum(atum_claim_batch_size_sum)',
      'sum(atum_recorder_flush_seconds_count)',
      'sum(atum_ai_confidence_count)',
      'sum(process_cpu_seconds_total)',
    ]
    await load()
    await until(
      async () => {
        const values = await Promise.all(moving.map(prometheus.value))
        return values.every((value) => value !== null && value > 0)
      },
      'all have moved',
      60_000,
    ).catch(async () => {
      const values = await Promise.all(moving.map(async (query) => `${query} ${await prometheus.value(query)}`))
      assert.fail(values.filter((line) => / (null|0)$/.test(line)).join('\n'))
    })
  })

  await t.test('no label is a raw path', async () => {
    const endpoints = await prometheus.labels('atum_http_requests_total', 'endpoint')
    assert.ok(endpoints.includes('/api/v1/tickets'))
    for (const endpoint of endpoints) assert.doesNotMatch(endpoint, /[0-9a-f]{8}-|\?/)
  })

  for (const file of await readdir(join(infra, 'grafana'))) {
    await t.test(`every panel of ${file} shows something`, async () => {
      const { panels } = dashboard.parse(JSON.parse(await readFile(join(infra, 'grafana', file), 'utf8')))
      for (const { title, targets } of panels) {
        for (const { expr } of targets) {
          await until(async () => (await prometheus.query(expr.replaceAll('$__rate_interval', '30s'))).length > 0, `${title}: ${expr}`)
        }
      }
    })
  }

  await t.test('a killed worker is alerted on, and its jobs are taken back by the other', async () => {
    // Long enough to be held by both when one dies.
    await operator.post('/jobs', { job_type: 'PROBE', payload: { sleep_ms: 3_000 }, count: 80 })
    await until(
      async () => (await database.owner(`select from workers where exists (select from job_queue where locked_by = workers.id)`)).length === WORKERS,
      'both hold jobs',
    )
    workers[0]!.process.kill('SIGKILL')
    await until(async () => (await prometheus.firing()).includes('AtumWorkerDown'), 'AtumWorkerDown fires')
    await until(async () => (await prometheus.value('sum(atum_jobs_rescued_total)'))! > 0, 'jobs were taken back')
    await until(async () => (await prometheus.firing()).includes('AtumWorkerLost'), 'AtumWorkerLost fires')
    assert.ok(!(await prometheus.firing()).includes('AtumNoWorker'), 'one is left')
  })
})

const dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) })),
})
const answer = z.object({ status: z.literal('success'), data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }) })
const alerts = z.object({ data: z.object({ alerts: z.array(z.object({ state: z.string(), labels: z.record(z.string(), z.string()) })) }) })

/** A Prometheus with the rules as they are, in a hurry: it looks every second, and nothing has to last longer than that. */
async function startPrometheus(port: number, targets: { api: string[]; worker: string[] }) {
  const rules = await readFile(join(infra, 'prometheus/alerts.yml'), 'utf8')
  await writeFile(join(directory, 'alerts.yml'), rules.replaceAll(/for: \w+/g, 'for: 1s'))
  const config = (await readFile(join(infra, 'prometheus/prometheus.yml'), 'utf8'))
    .replaceAll('15s', '1s')
    .replace("['127.0.0.1:8000']", JSON.stringify(targets.api))
    .replace("['127.0.0.1:9101']", JSON.stringify(targets.worker))
  await writeFile(join(directory, 'prometheus.yml'), config)
  const process = spawn(
    'prometheus',
    [`--config.file=${directory}/prometheus.yml`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`],
    {
      stdio: 'ignore',
    },
  )
  const ended = new Promise((resolve) => process.once('exit', resolve))
  after(async () => {
    process.kill('SIGKILL')
    await ended
  })
  const ask = async (path: string): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()
  const query = async (expr: string) => answer.parse(await ask(`query?query=${encodeURIComponent(expr)}`)).data.result.map(({ value }) => Number(value[1]))
  await until(
    () =>
      ask('query?query=1').then(
        () => true,
        () => false,
      ),
    'Prometheus answers',
  )
  return {
    query,
    value: async (expr: string): Promise<number | null> => (await query(expr))[0] ?? null,
    firing: async () =>
      alerts
        .parse(await ask('alerts'))
        .data.alerts.filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels['alertname']!),
    labels: async (metric: string, label: string) => z.object({ data: z.array(z.string()) }).parse(await ask(`label/${label}/values?match[]=${metric}`)).data,
  }
}
