import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import { run, start } from '../cli/program.ts'
import { connectOwner, until } from '../support/database.ts'
import { debianBinaries, once } from '../support/debian-postgres.ts'
import { startPatroni } from '../support/patroni.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'
import { SECRET } from '../support/server.ts'
import { without } from '../support/tools.ts'

/** What an operator is promised: from the primary's death to the next ticket that is taken in. */
const WRITES_AGAIN_MS = 30_000
const TICKETS_BEFORE = 30
const TICKETS_AFTER = 20
/** Patroni answers from Python: asked all the time, it does nothing else. */
const ASK_MS = 250

const bin = debianBinaries()
const skip = without('etcd', 'patroni') || (!bin && 'no PostgreSQL of the distribution')

test('the primary dies under load: what was confirmed is there, writing goes on within 30 s, and the log keeps its rules', { skip }, async (t) => {
  const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-failover-'))
  after(() => rm(ATUM_DATA_DIR, { recursive: true }))
  const cluster = await startPatroni(bin!)
  await until(async () => (await once(cluster.url, 'select').catch(() => null)) !== null, 'the router leads to the primary')
  await once(cluster.url, 'create database desk')
  const DATABASE_URL = cluster.url.replace(/postgres$/, 'desk')
  const here = { DATABASE_URL, ATUM_DATA_DIR, ATUM_SECRET: SECRET, PORT: '0' }
  const migrated = await run(['migrate', 'up'], here)
  assert.equal(migrated.code, 0, migrated.stderr)

  const services = [start(['serve', '--json'], here), start(['work', '--json'], here), start(['work', '--json'], here)]
  after(() => services.forEach(({ process }) => process.kill('SIGKILL')))
  await until(() => services.every(({ said }) => said.stdout.includes('}')), 'the services are there', 60_000)
  const { url } = JSON.parse(services[0]!.said.stdout) as { url: string }
  const database = await openDatabase(serviceUrls(DATABASE_URL), { size: 2, name: 'test' })
  const organization = await createOrganization(database)
  const [admin, operator] = [await createUser(database, 'admin', organization), await createUser(database, 'operator', null)]
  await database.end()

  const send = async (path: string, body: unknown, token = ''): Promise<{ status: number; body: Record<string, unknown> }> => {
    try {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    } catch {
      return { status: 0, body: {} }
    }
  }
  const signIn = async (email: string) => String((await send('/auth/login', { email, password: PASSWORD })).body['access_token'])
  const [agent, keeper] = [await signIn(admin.email), await signIn(operator.email)]

  const tickets: string[] = []
  const jobs: number[] = []
  let confirmedAt = 0
  let over = false
  const load = (async () => {
    for (let number = 0; !over; number += 1) {
      const ticket = await send('/tickets', { subject: `Ticket ${number}`, description: 'It does not work.' }, agent)
      if (ticket.status === 201) {
        tickets.push(String(ticket.body['id']))
        confirmedAt = performance.now()
      }
      const probe = await send('/jobs', { job_type: 'PROBE', payload: { marker: `probe ${number}`, sleep_ms: 50 } }, keeper)
      if (probe.status === 201) jobs.push(Number((probe.body['ids'] as number[] | undefined)?.[0] ?? probe.body['id']))
    }
  })()
  await until(() => tickets.length >= TICKETS_BEFORE, 'load', 60_000)

  const first = (await cluster.primary())!
  const diedAt = performance.now()
  await cluster.cut(first)
  const before = tickets.length
  // The one whose answer was on its way does not count.
  await until(() => tickets.length > before + 1 && confirmedAt > diedAt, 'tickets are taken in again', 60_000).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await cluster.said()}\n${services[0]!.said.stderr.slice(-3_000)}`)
  })
  const away = confirmedAt - diedAt
  t.diagnostic(`writing again after ${(away / 1_000).toFixed(1)} s, by way of ${cluster.router}`)
  await until(() => tickets.length >= before + TICKETS_AFTER, 'load goes on', 60_000)
  over = true
  await load

  const second = await cluster.primary()
  assert.notEqual(second?.name, first.name, 'another node leads')
  assert.ok(away < WRITES_AGAIN_MS, `writing again after ${away} ms`)
  const owner = connectOwner(DATABASE_URL)
  after(() => owner.end())
  const ended = `status in ('queued', 'claimed', 'running', 'retried') and run_after < now() + interval '1 minute'`
  await until(async () => (await owner.query(`select from job_queue where ${ended}`)).length === 0, 'all jobs have ended', 60_000, ASK_MS).catch(
    async (error: Error) => {
      const left = await owner.query(
        `select id, job_type, status, attempt, run_after, locked_by, last_error, updated_at, now() from job_queue where ${ended} limit 5`,
      )
      const workers = await owner.query('select id, status, heartbeat_at, now(), actor_tree from workers')
      const leases = await owner.query('select worker, serial, job_ids, versions, leased_at from job_leases')
      const violations = await owner.query('select * from job_log_violations limit 20')
      throw new Error(
        `${error.message}\n${JSON.stringify({ left, workers, leases, violations })}\n${services.map(({ said }) => said.stderr.slice(-3_000)).join('\n')}`,
      )
    },
  )

  const there = new Set((await owner.query<{ id: string }>('select id from tickets')).map(({ id }) => id))
  assert.deepEqual(
    tickets.filter((id) => !there.has(id)),
    [],
    'confirmed tickets that are lost',
  )
  const done = await owner.query<{ id: string; effects: string }>(
    `select id, (select count(*) from probe_effects where job_id = job_queue.id) as effects from job_queue where job_type = 'PROBE' and status = 'done'`,
  )
  const effects = new Map(done.map(({ id, effects }) => [Number(id), Number(effects)]))
  assert.deepEqual(
    jobs.filter((id) => effects.get(id) !== 1),
    [],
    'confirmed jobs without their one effect',
  )
  assert.deepEqual(await owner.query('select * from job_log_violations'), [])

  const back = performance.now()
  cluster.comeBack(first)
  await until(() => cluster.follows(first), 'the node that died follows the new primary', 120_000, ASK_MS).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await cluster.said()}`)
  })
  t.diagnostic(
    `the node that died follows after ${((performance.now() - back) / 1_000).toFixed(1)} s, ${/running pg_rewind/.test(await cluster.said(1e6)) ? 'rewound' : 'without a rewind'}`,
  )
  const members = JSON.parse(cluster.ctl('list', '--format', 'json')) as { Member: string; Role: string }[]
  assert.deepEqual(members.map(({ Member }) => Member).toSorted(), ['pg1', 'pg2', 'pg3'], 'patronictl sees them all')
  assert.equal(members.find(({ Role }) => Role === 'Leader')?.Member, second?.name)
  const copy = `postgres://${new URL(DATABASE_URL).username}:${new URL(DATABASE_URL).password}@127.0.0.1:${first.port}/desk`
  const [{ lsn }] = (await once(DATABASE_URL, 'select pg_current_wal_lsn() as lsn')).rows as [{ lsn: string }]
  await until(async () => (await once(copy, `select pg_last_wal_replay_lsn() >= '${lsn}' as has`)).rows[0].has === true, 'it has caught up', 60_000, ASK_MS)
  const copied = new Set((await once(copy, 'select id from tickets')).rows.map(({ id }: { id: string }) => id))
  assert.deepEqual(
    [...there].filter((id) => !copied.has(id)),
    [],
    'tickets that the returned node lacks',
  )
  const diagnosis = `${tickets.length} tickets and ${jobs.length} jobs confirmed, none lost`
  t.diagnostic(diagnosis)
})
