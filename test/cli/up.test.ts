import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { until } from '../support/database.ts'
import { dataDirectory, isAlive, isHealthy, run, start, startUp } from './program.ts'

const ATUM_DATA_DIR = await dataDirectory()
const desk = { now: await startUp({ ATUM_DATA_DIR }) }
after(() => isAlive(desk.now.pid) && process.kill(desk.now.pid, 'SIGKILL'))

test('the first start is healthy when it says that it is ready, and keeps the demo sign-ins for its owner alone', async () => {
  assert.ok(await isHealthy(desk.now.url))
  assert.ok(desk.now.seconds < 60, `took ${desk.now.seconds} s`)
  const demo = JSON.parse(await readFile(join(ATUM_DATA_DIR, 'demo.json'), 'utf8')) as { organization: unknown; users: unknown[]; operator: object }
  assert.equal(typeof demo.organization, 'string')
  for (const user of demo.users) assert.deepEqual(Object.keys(user as object).toSorted(), ['email', 'password', 'role'])
  assert.deepEqual(Object.keys(demo.operator).toSorted(), ['email', 'password'])
  for (const file of ['demo.json', 'secret', 'postgres-password']) assert.equal((await stat(join(ATUM_DATA_DIR, file))).mode & 0o777, 0o600, file)
})

test('a second start on the same directory is refused and names the process', async () => {
  const second = await run(['up'], { ATUM_DATA_DIR, PORT: '0' })
  assert.equal(second.code, 1)
  assert.match(second.stderr, new RegExp(`in use by process ${desk.now.pid}`))
})

test('a port in use is refused by the name of its setting, before anything is made', async () => {
  const refused = await run(['up'], { ATUM_DATA_DIR: await dataDirectory(), PORT: new URL(desk.now.url).port })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /PORT: \d+ on 127\.0\.0\.1 is in use/)
  assert.doesNotMatch(refused.stdout, /cluster/)
})

const count = async (series: string): Promise<number> => {
  const text = await (await fetch(`${desk.now.url}/metrics`)).text()
  return Number(new RegExp(`^${series} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}
const probesDone = 'atum_job_transitions_total\\{job_type="PROBE",event="SUCCEED",from="running",to="done"\\}'

test('the metrics have what the worker counted', async () => {
  await run(['jobs', 'enqueue', 'PROBE', '--count', '3'], { ATUM_DATA_DIR })
  await until(async () => (await count(probesDone)) === 3, 'three are counted')
  const text = await (await fetch(`${desk.now.url}/metrics`)).text()
  assert.match(text, /^atum_worker_job_total\{worker_name="[^"]+",job_type="PROBE",status="done"\} 3$/m)
  assert.equal(text.match(/^atum_event_loop_lag_seconds /gm)?.length, 1)
  assert.match(text, /^atum_db_up 1$/m)
})

test('a killed worker comes back', async () => {
  process.kill(desk.now.worker_pid, 'SIGKILL')
  await until(() => desk.now.said.stderr.includes('The worker ended (SIGKILL); starting it again.'), 'the death is noticed')
  const { stdout } = await run(['jobs', 'enqueue', 'PROBE', '--json'], { ATUM_DATA_DIR })
  const [id] = (JSON.parse(stdout) as { ids: number[] }).ids
  await until(async () => /status +done/.test((await run(['jobs', 'show', String(id)], { ATUM_DATA_DIR })).stdout), 'a job is done')
  await until(async () => (await count(probesDone)) === 4, 'what the dead worker counted is not forgotten')
})

test('a worker that is drained is replaced by a new one, since this program is to have one', async () => {
  const alive = async (): Promise<{ id: number; status: string }[]> =>
    (JSON.parse((await run(['workers', 'list', '--json'], { ATUM_DATA_DIR })).stdout) as { items: { id: number; status: string }[] }).items
  await until(async () => (await alive()).some(({ status }) => status === 'active'), 'one works')
  const { id } = (await alive()).find(({ status }) => status === 'active')!
  assert.equal((await run(['workers', 'drain', String(id)], { ATUM_DATA_DIR })).code, 0)
  await until(() => desk.now.said.stderr.includes('The worker was drained and has ended; starting a new one.'), 'the end is noticed')
  await until(async () => (await alive()).some((worker) => worker.id > id && worker.status === 'active'), 'another works')
})

test('a killed PostgreSQL comes back', async () => {
  process.kill(desk.now.postgres_pid!, 'SIGKILL')
  await until(() => desk.now.said.stderr.includes('PostgreSQL is back.'), 'PostgreSQL is back')
  await until(() => isHealthy(desk.now.url), 'the service is healthy again')
})

test('after kill -9 of the program the worker ends itself, and the next start recovers what was written', async () => {
  await run(['jobs', 'enqueue', 'PROBE', '--payload', '{"marker":"kept"}', '--delay-ms', '3600000'], { ATUM_DATA_DIR })
  process.kill(desk.now.pid, 'SIGKILL')
  await desk.now.ended
  desk.now = await startUp({ ATUM_DATA_DIR })
  assert.ok(desk.now.seconds < 60, `took ${desk.now.seconds} s`)
  assert.match(desk.now.said.stderr, /Stopping the PostgreSQL that a killed start left behind/)
  const { stdout } = await run(['jobs', 'list', '--status', 'queued', '--text', 'kept', '--json'], { ATUM_DATA_DIR })
  assert.equal((JSON.parse(stdout) as { items: unknown[] }).items.length, 1)
})

test('SIGTERM stops all of it in good order, with exit code 0', async () => {
  process.kill(desk.now.pid, 'SIGTERM')
  assert.equal((await desk.now.ended).code, 0, desk.now.said.stderr)
  for (const pid of [desk.now.worker_pid, desk.now.postgres_pid!]) assert.ok(!isAlive(pid))
})

test('another start is ready soon, and a stop while it starts leaves nothing behind', async () => {
  const again = await startUp({ ATUM_DATA_DIR })
  assert.ok(again.seconds < 60, `took ${again.seconds} s`)
  process.kill(again.pid, 'SIGINT')
  assert.equal((await again.ended).code, 0)

  const early = start(['up'], { ATUM_DATA_DIR, PORT: '0' })
  await until(() => early.said.stdout.includes('Starting PostgreSQL'), 'it has begun')
  process.kill(early.pid, 'SIGINT')
  assert.equal((await early.ended).code, 0, early.said.stderr)
  const afterwards = await run(['doctor'], { ATUM_DATA_DIR })
  assert.match(afterwards.stdout, /No database runs/)
})

test('a wrong setting stops the start with its name', async () => {
  for (const [variables, words] of [
    [{ PORT: 'many' }, /PORT/],
    [{ DATABASE_URL: 'mysql://x' }, /DATABASE_URL/],
    [{ ATUM_SECRET: 'short' }, /ATUM_SECRET/],
    [{ ATUM_SECRET: 'change-me-change-me-change-me-change-me' }, /ATUM_SECRET.*example/],
    [{ ATUM_SECRET: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }, /ATUM_SECRET.*guessed/],
    [{ METRICS_TOKEN: 'your-secret-metrics-token' }, /METRICS_TOKEN/],
    [{ ATUM_DATA_DIR: '/dev/null/x' }, /ATUM_DATA_DIR/],
    [{ DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' }, /cannot be reached.*DATABASE_URL/],
  ] as const) {
    const refused = await run(['up'], { ATUM_DATA_DIR, PORT: '0', ...variables })
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, words)
    assert.doesNotMatch(refused.stderr, /\n\s+at /, 'no stack')
  }
})
