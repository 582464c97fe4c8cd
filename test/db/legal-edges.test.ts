import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import { jobChart } from '#machines/job-step.ts'
import { testDatabase } from '../support/database.ts'

const database = await testDatabase()
const edges = [...new Set(jobChart.edges.map((edge) => `${edge.event} ${edge.from} ${edge.to}`))].toSorted()

test('the table of legal edges is that of the machine', async () => {
  const rows = await database.owner(`select event || ' ' || coalesce(from_state::text, 'null') || ' ' || to_state as edge from job_edges`)
  assert.deepEqual(rows.map((row) => String(row['edge'])).toSorted(), edges)
})

test('the enumerations are the vocabulary of the machine', async () => {
  const [row] = await database.owner(`select enum_range(null::job_status)::text[] as states, enum_range(null::job_event)::text[] as events`)
  assert.deepEqual((row!['states'] as string[]).toSorted(), [...JOB_STATES].toSorted())
  assert.deepEqual((row!['events'] as string[]).toSorted(), [...JOB_EVENTS].toSorted())
})

test('the log takes an event exactly where the machine has the edge', async () => {
  const [rule] = await database.owner(
    `select pg_get_expr(conbin, conrelid) as rule from pg_constraint where conname = 'job_events_are_legal' and conrelid = 'job_events'::regclass`,
  )
  const rows = await database.owner(`
    select event || ' ' || coalesce(from_state::text, 'null') || ' ' || to_state as edge
      from unnest(enum_range(null::job_event)) as event,
           (select unnest(enum_range(null::job_status)) union all select null) as from_states (from_state),
           unnest(enum_range(null::job_status)) as to_state
     where ${String(rule!['rule'])}`)
  assert.deepEqual(rows.map((row) => String(row['edge'])).toSorted(), edges)
})

test('a row moves in one step by an edge, in two or three by CLAIM and START and what may follow them, and otherwise not', async () => {
  const rows = await database.owner(`
    select steps || ' ' || from_state || ' ' || to_state as move
      from generate_series(-1, 5) as steps, unnest(enum_range(null::job_status)) as from_state, unnest(enum_range(null::job_status)) as to_state
     where job_move_is_legal(from_state, to_state, steps)`)
  const follow = (state: string) => jobChart.edges.filter((edge) => edge.from === state).map((edge) => edge.to)
  const waiting = ['queued', 'retried']
  const none = JOB_STATES.map((state) => `0 ${state} ${state}`)
  const one = jobChart.edges.filter((edge) => edge.from !== null).map((edge) => `1 ${edge.from} ${edge.to}`)
  const started = follow('running').map((to) => `2 claimed ${to}`)
  const claimed = waiting.flatMap((from) => follow('claimed').map((to) => `2 ${from} ${to}`))
  const whole = waiting.flatMap((from) => follow('running').map((to) => `3 ${from} ${to}`))
  assert.deepEqual(rows.map((row) => String(row['move'])).toSorted(), [...new Set([...none, ...one, ...started, ...claimed, ...whole])].toSorted())
})

test('PostgreSQL refuses what the machine forbids', async () => {
  const id = (await database.owner(`insert into job_queue (job_type, queue, max_attempts) values ('PROBE', 'default', 3) returning id`))[0]!['id'] as number
  for (const statement of [
    `update job_queue set status = 'done', finished_at = now(), version = version + 1 where id = ${id}`,
    `update job_queue set status = 'running', locked_by = 1, locked_at = now(), version = version + 1 where id = ${id}`,
    `update job_queue set status = 'cancelled', finished_at = now() where id = ${id}`,
    `update job_queue set version = version + 1 where id = ${id}`,
    `update job_queue set attempt = 4 where id = ${id}`,
    `insert into job_queue (job_type, queue, max_attempts, status, finished_at) values ('PROBE', 'default', 3, 'done', now())`,
    `insert into job_events (job_id, seq, event, from_state, to_state, attempt) values (${id}, 2, 'SUCCEED', 'queued', 'done', 0)`,
  ]) {
    await assert.rejects(database.owner(statement), /may not go|begins in queued|attempts_are_bounded|job_events_are_legal/, statement)
  }
})

test('the view names what a forged log breaks', async () => {
  const unplaced = async (): Promise<number> =>
    Number((await database.owner(`insert into job_queue (job_type, queue, max_attempts) values ('PROBE', 'forged', 3) returning id`))[0]!['id'])
  const job = async (): Promise<number> => {
    const id = await unplaced()
    await database.owner(
      `insert into job_ready (queue, tenant, priority, run_after, job_id, state)
       select queue, '00000000-0000-0000-0000-000000000000', priority, run_after, id, status from job_queue where id = $1`,
      [id],
    )
    return id
  }
  const event = (id: number, seq: number, name: string, from: string | null, to: string, attempt: number): Promise<unknown> =>
    database.owner('insert into job_events (job_id, seq, event, from_state, to_state, attempt) values ($1, $2, $3, $4, $5, $6)', [
      id,
      seq,
      name,
      from,
      to,
      attempt,
    ])
  const rules = async (id: number): Promise<string[]> =>
    (await database.owner('select rule from job_log_violations where job_id = $1 order by rule', [id])).map((row) => String(row['rule']))

  const silent = await unplaced()
  assert.deepEqual(await rules(silent), ['no log', 'waits in no lane'])
  const sound = await job()
  await event(sound, 1, 'ENQUEUE', null, 'queued', 0)
  assert.deepEqual(await rules(sound), [])
  const gap = await job()
  await event(gap, 1, 'ENQUEUE', null, 'queued', 0)
  await event(gap, 3, 'CLAIM', 'queued', 'claimed', 1)
  assert.deepEqual(await rules(gap), ['gap', 'row and log differ'])
  const broken = await job()
  await event(broken, 1, 'ENQUEUE', null, 'queued', 0)
  await event(broken, 2, 'START', 'claimed', 'running', 5)
  assert.deepEqual(await rules(broken), ['broken chain', 'row and log differ', 'wrong attempt'])
  const headless = await job()
  await event(headless, 2, 'CLAIM', 'queued', 'claimed', 1)
  assert.deepEqual(await rules(headless), ['missing beginning', 'row and log differ'])
  await event(999_999, 1, 'ENQUEUE', null, 'queued', 0)
  assert.deepEqual(await rules(999_999), ['job vanished'])
})
