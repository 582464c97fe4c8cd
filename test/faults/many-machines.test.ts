import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SECRET } from '../support/server.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'
import { proxyTo } from '../support/proxy.ts'
import { testDatabase, until } from '../support/database.ts'
import { start } from '../cli/program.ts'

const TICKETS = 60
const PROBES = 200
const QUICK = { HEARTBEAT_MS: '300', WORKER_LOST_MS: '4000', RESCUE_MS: '300', POLL_MS: '200', SCHEDULER_MS: '60000' }

test('three workers and two APIs on one database: one worker is cut off, one is killed, and nothing is lost or done twice', async () => {
  const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-machines-'))
  after(() => rm(ATUM_DATA_DIR, { recursive: true }))
  const database = await testDatabase()
  const link = await proxyTo(database.ownerUrl)
  const machine = (command: string, DATABASE_URL: string) => {
    const running = start([command, '--json'], { ...QUICK, DATABASE_URL, ATUM_DATA_DIR, ATUM_SECRET: SECRET, PORT: '0', WORKER_CONCURRENCY: '8' })
    after(() => running.process.kill('SIGKILL'))
    return running
  }
  const workers = [machine('work', database.ownerUrl), machine('work', database.ownerUrl), machine('work', link.url)]
  const apis = [machine('serve', database.ownerUrl), machine('serve', database.ownerUrl)]
  await until(() => [...workers, ...apis].every(({ said }) => said.stdout.includes('}')), 'all are there')
  const urls = apis.map(({ said }) => (JSON.parse(said.stdout) as { url: string }).url)
  const [killed, , cutOff] = workers.map(({ said }) => (JSON.parse(said.stdout) as { worker: number }).worker)

  const send = async (url: string, path: string, body: unknown, token = '') => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const signIn = async (email: string) => String((await send(urls[0]!, '/auth/login', { email, password: PASSWORD })).body['access_token'])
  const organization = await createOrganization(database)
  const admin = await signIn((await createUser(database, 'admin', organization)).email)
  const operator = await signIn((await createUser(database, 'operator', null)).email)

  // Every answer of 201 is a promise. A token of one API is good at the other.
  const acknowledged: string[] = []
  const filing = (async () => {
    for (let number = 0; number < TICKETS; number += 1) {
      const { status, body } = await send(urls[number % 2]!, '/tickets', { subject: `Ticket ${number}`, description: 'It does not work.' }, admin)
      if (status === 201) acknowledged.push(String(body['id']))
    }
  })()
  const held = (worker: number | undefined) => database.owner('select from job_queue where locked_by = $1', [worker])
  const probes = await send(urls[1]!, '/jobs', { job_type: 'PROBE', payload: { sleep_ms: 150, marker: 'once' }, count: PROBES }, operator)
  assert.equal(probes.status, 201)

  await until(async () => (await held(killed)).length > 0 && (await held(cutOff)).length > 0, 'both hold jobs')
  link.stall()
  workers[0]!.process.kill('SIGKILL')
  const lost = () => database.owner(`select from workers where status = 'lost' and id in ($1, $2)`, [killed, cutOff])
  await until(async () => (await lost()).length === 2, 'both are taken for dead')
  await filing
  await until(
    async () => (await database.owner(`select from job_queue where status in ('claimed', 'running') and locked_by in ($1, $2)`, [killed, cutOff])).length === 0,
    'their jobs are taken back',
  )
  link.mend()
  await until(async () => (await database.owner(`select from workers where status = 'active'`)).length === 2, 'the one that was cut off registers anew')
  await until(
    async () =>
      (await database.owner(`select from job_queue where status in ('queued', 'claimed', 'running', 'retried') and run_after < now() + interval '1 minute'`))
        .length === 0,
    'all jobs have ended',
    90_000,
  )

  assert.equal(acknowledged.length, TICKETS)
  const tickets = await database.owner<{ id: string }>('select id from tickets')
  assert.deepEqual(tickets.map(({ id }) => id).toSorted(), acknowledged.toSorted())
  const effects = await database.owner<{ job_id: string; times: string }>(`select job_id, count(*) as times from probe_effects group by 1`)
  assert.equal(effects.length, PROBES, 'every probe had its effect')
  assert.ok(
    effects.every(({ times }) => Number(times) === 1),
    'and none had it twice',
  )
  const perTicket = await database.owner(`select payload ->> 'ticket_id' as ticket from job_queue where job_type = 'TRIAGE_TICKET' and status = 'done'`)
  assert.equal(perTicket.length, TICKETS)
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
  assert.ok((await database.owner(`select from job_events where event = 'LOSE' and worker = $1`, [cutOff])).length > 0, 'the cut off worker lost jobs')
})
