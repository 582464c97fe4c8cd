import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { moveOf } from '#db/job-moves.ts'
import { claimJobs, leaseJobs, readyLanes } from '#db/job-claims.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { endLeases, recordLeases } from '#db/job-leases.ts'
import { recordMoves } from '#db/job-records.ts'
import { orphanedJobs, requestCancel } from '#db/jobs.ts'
import type { LaneQuota, LaneRow } from '#db/job-claims.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { Move } from '#db/job-records.ts'
import * as workers from '#db/workers.ts'
import type { JobEvent } from '#machines/job.ts'
import { nextJob } from '#machines/job-step.ts'
import { inTransaction } from '#db/pool.ts'
import { rescheduleJob } from '#db/reschedule.ts'
import { sql } from '#db/sql.ts'
import { testDatabase } from '../support/database.ts'
import * as twins from './twin.ts'
import { mulberry32 } from './world.ts'

const database = await testDatabase()
const db = database.system
const tenants = [null, '11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']
await database.owner(`insert into organizations (id, slug, name) select id, id::text, 'a twin' from unnest($1::uuid[]) as id`, [tenants.slice(1)])

const STEPS = 1_200
/** TWIN_SEED for another sequence. */
const SEED = Number(process.env['TWIN_SEED'] ?? 20_260_213)
const QUEUE = 'twins'
/** No job is due again within the test after this. */
const LATER_MS = 3_600_000
const fault = { class: 'Error', message: 'as the seed wants' }

const chance = mulberry32(SEED)
const between = (from: number, to: number): number => Math.floor(from + (to - from + 1) * chance())
const oneOf = <T>(things: readonly T[]): T => things[Math.floor(chance() * things.length)]!

const twin = twins.emptyTwin()
/** The twin's clock: one step, one millisecond. */
let now = 1
/** Moves that were decided earlier, and are stale by now or soon. */
const decided: Move[] = []

/** The same statement in both; what they answer is compared. */
async function both<Answer>(what: string, inDatabase: () => Promise<Answer>, inTwin: () => Answer): Promise<Answer> {
  now += 1
  const [one, other] = [await inDatabase(), inTwin()]
  assert.deepEqual(one, other, `step ${now}: ${what}`)
  return one
}

const newJob = (): NewJob => ({
  organization_id: oneOf(tenants),
  job_type: 'PROBE',
  queue: QUEUE,
  max_attempts: between(1, 3),
  payload: {},
  priority: between(-1, 1),
  delay_ms: chance() < 0.1 ? LATER_MS : 0,
  unique_key: chance() < 0.3 ? `key-${between(1, 4)}` : null,
})

/** Few jobs, or so many that they stand in bundles, of several kinds or of one; a call names a unique key once. */
const enqueue = (): Promise<unknown> => {
  const kinds = [newJob(), newJob(), newJob()]
  const wanted = chance() < 0.8 ? Array.from({ length: between(1, 4) }, newJob) : Array.from({ length: between(19, 130) }, () => oneOf(kinds))
  const areAlike = chance() < 0.5
  for (const [at, job] of wanted.entries())
    wanted[at] = areAlike ? { ...wanted[0]!, unique_key: null } : { ...job, max_attempts: between(1, 3), unique_key: at > 0 ? null : job.unique_key! }
  return both(
    'enqueue',
    () => enqueueJobs(db, wanted),
    () => twins.enqueueJobs(twin, wanted, now),
  )
}

const quotasOf = (lanes: readonly LaneRow[], limits: readonly number[]): LaneQuota[] =>
  lanes.map(({ tenant, priority, limit_key, bundled, limit_max, head_us }, at) => ({
    tenant,
    priority,
    limit_key,
    bundled,
    limit_max,
    after_us: head_us,
    limit: limits[at]!,
  }))

/** What is compared of a claimed job. */
const seen = ({ id, version, attempt, max_attempts, last_error, lane, was }: ClaimedRow) => ({ id, version, attempt, max_attempts, last_error, lane, was })

async function lookAround(): Promise<{ worker: number; planned: LaneQuota[]; mirrored: LaneQuota[] }> {
  now += 1
  const [lanes, mirrored] = [await readyLanes(db, QUEUE, 100), twins.readyLanes(twin, QUEUE, now)]
  const names = (rows: readonly LaneRow[]) => rows.map(({ tenant, priority, bundled, due_in_ms }) => [tenant, priority, bundled, due_in_ms <= 0])
  assert.deepEqual(names(lanes), names(mirrored), `step ${now}: lanes`)
  const alone = chance() < 0.3 ? between(0, lanes.length - 1) : null
  const limits = lanes.map(({ bundled }) => (bundled ? oneOf([between(1, 4), between(5, 150)]) : between(1, 4)))
  const worker = oneOf([...twin.workers.keys()])
  // A claim from one plain lane goes by a statement of its own.
  const some = (quotas: LaneQuota[]): LaneQuota[] => quotas.filter((_, at) => alone === null || at === alone)
  return { worker, planned: some(quotasOf(lanes, limits)), mirrored: some(quotasOf(mirrored, limits)) }
}

async function claim(): Promise<void> {
  const { worker, planned, mirrored } = await lookAround()
  const claimed = await both(
    'claim',
    async () => (await claimJobs(db, { queue: QUEUE, worker, lanes: planned })).map(seen),
    () => twins.claimJobs(twin, { queue: QUEUE, worker, lanes: mirrored }, now).map(seen),
  )
  // START and SUCCEED of a quick job come as one move; several of them as a statement of their own.
  if (chance() < 0.5) decided.push(...claimed.map(({ id }) => quickSuccess(id)))
}

let serial = 0
/** Serials of leases that were made, by worker. */
const leases: { worker: number; serial: number }[] = []

async function lease(): Promise<void> {
  const { worker, planned, mirrored } = await lookAround()
  serial += 1
  const ended = leases.filter((made) => made.worker === worker && chance() < 0.1).map((made) => made.serial)
  // A job whose lease is ended before its CLAIM is recorded would be lost: nobody does that.
  const safe = ended.filter((one) => twin.leases.get(`${worker} ${one}`)?.jobs.every(({ id, version }) => twin.jobs.get(id)!.version !== version) ?? true)
  const claimed = await both(
    'lease',
    async () => (await leaseJobs(db, { queue: QUEUE, worker, lanes: planned, serial, ended: safe })).map(seen),
    () => twins.leaseJobs(twin, { queue: QUEUE, worker, lanes: mirrored, serial, ended: safe }, now).map(seen),
  )
  leases.push({ worker, serial })
  for (const { id } of claimed) if (chance() < 0.8) decided.push(fromLease(id, worker, serial))
}

/** CLAIM under a lease, with what follows it. */
function fromLease(id: number, worker: number, under: number): Move {
  const row = { ...twins.standingRowOf(twin.jobs.get(id)!, now), delay_ms: 0 }
  const follow = oneOf<JobEvent[]>([[], [{ type: 'START' }], [{ type: 'RELEASE' }], [{ type: 'CANCEL' }], ...Array.from({ length: 6 }, () => QUICK)])
  let move = moveOf(row, { type: 'CLAIM', worker, waited_ms: 0 })!
  for (const event of follow) {
    const standing = nextJob(move.standing, event)!
    const transition = { event: event.type, from: move.standing.state, to: standing.state, attempt: standing.context.attempt, worker }
    move = { ...move, standing, transitions: [...move.transitions, transition] }
  }
  return { ...move, lease: under }
}
const QUICK: JobEvent[] = [{ type: 'START' }, { type: 'SUCCEED' }]

async function recordUnknown(): Promise<void> {
  const worker = oneOf([...twin.workers.keys()])
  const except = leases.filter((made) => made.worker === worker && chance() < 0.7).map((made) => made.serial)
  const holder = chance() < 0.5 ? 'ended' : { worker, up_to: serial - 2, except }
  await both(
    'record leases',
    () => recordLeases(db, holder),
    () => twins.recordLeases(twin, holder, now),
  )
  const over = leases.filter((made) => made.worker === worker && !twin.leases.has(`${worker} ${made.serial}`)).map((made) => made.serial)
  await both(
    'end leases',
    () => endLeases(db, worker, over),
    () => twins.removeLeases(twin, worker, over),
  )
}

function quickSuccess(id: number): Move {
  const row = twins.standingRowOf(twin.jobs.get(id)!, now)
  const start = moveOf(row, { type: 'START' })!
  const done = nextJob(start.standing, { type: 'SUCCEED' })!
  const success = { event: 'SUCCEED', from: 'running', to: 'done', attempt: row.attempt, worker: row.locked_by } as const
  return { ...start, standing: done, transitions: [...start.transitions, success] }
}

const anyEvent = (): JobEvent =>
  oneOf<JobEvent>([
    { type: 'START' },
    { type: 'START' },
    { type: 'SUCCEED' },
    { type: 'RELEASE' },
    { type: 'CANCEL' },
    { type: 'REQUEUE' },
    { type: 'SNOOZE', delay_ms: oneOf([0, LATER_MS]) },
    { type: 'FAIL', fault, permanent: chance() < 0.3, backoff_ms: oneOf([0, 0, LATER_MS]) },
    { type: 'TIMEOUT', fault, backoff_ms: 0 },
    { type: 'LOSE', fault, backoff_ms: 0 },
  ])

/** Decides on some rows as they stand, and keeps the decisions for a while. */
function decide(): void {
  const jobs = [...twin.jobs.values()]
  // Most have ended sooner or later: of those that are chosen a third wait, and a third are held.
  const waiting = jobs.filter(({ status }) => status === 'queued')
  const held = jobs.filter(({ locked_by }) => locked_by !== null)
  for (let tries = 0; tries < 12; tries += 1) {
    const some = oneOf([waiting, held, jobs])
    const job = oneOf(some.length > 0 ? some : jobs)
    const event = anyEvent()
    // What moveJob asks before it queues a job again.
    if (event.type === 'REQUEUE' && job.unique_key !== null) continue
    const details = 'fault' in event ? { error: event.fault } : undefined
    const move = moveOf(twins.standingRowOf(job, now), event, { details })
    if (move) decided.push(withoutRemainder(move))
  }
}

/** A delay that is what is left of an earlier one differs by the time that passed; only those that a move sets are compared. */
function withoutRemainder(move: Move): Move {
  const { state, context } = move.standing
  return state === 'queued' || state === 'retried' ? move : { ...move, standing: { state, context: { ...context, delay_ms: 0 } } }
}

async function record(): Promise<void> {
  decide()
  const wanted = decided.splice(0, between(1, 120))
  const moves = [...new Map(wanted.map((move) => [move.id, move])).values()]
  await both(
    'record',
    async () => [...(await recordMoves(db, moves))].toSorted(byNumber),
    () => [...twins.recordMoves(twin, moves, now)].toSorted(byNumber),
  )
}
const byNumber = (one: number, other: number): number => one - other

/** CANCEL by a process of the release before: it takes no job out of its bundle. */
async function cancelAsBefore(): Promise<void> {
  const waiting = [...twin.jobs.values()].filter(({ status, version }) => status === 'queued' && version === 1)
  if (waiting.length === 0) return
  const move = moveOf(twins.standingRowOf(oneOf(waiting), now), { type: 'CANCEL' })!
  await both(
    'cancel as before',
    async () => [...(await recordAsBefore(move))],
    () => [...twins.recordMoves(twin, [move], now, 'before')],
  )
  const job = twin.jobs.get(move.id)!
  // Queued again, it has a place of its own, and is a member of its bundle still.
  if (job.unique_key === null && chance() < 0.5) decided.unshift(moveOf(twins.standingRowOf(job, now), { type: 'REQUEUE' })!)
}

async function recordAsBefore({ id, version }: Move): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`
    with moved as (
      update job_queue set status = 'cancelled', version = version + 1, finished_at = now() where id = ${id} and version = ${version} and status = 'queued' returning *
    ), displaced as (
      delete from job_ready using moved where job_id = moved.id
    ), freed as (
      delete from job_unique using moved where job_id = moved.id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, version, 'CANCEL', 'queued', 'cancelled', attempt, organization_id from moved
    )
    select id from moved`)
}

/** Another time for a waiting job: long ago or far off, so that no clock matters. */
async function putOff(): Promise<void> {
  const waiting = [...twin.jobs.values()].filter(({ status }) => status === 'queued' || status === 'retried')
  const { id } = oneOf(chance() < 0.8 && waiting.length > 0 ? waiting : [...twin.jobs.values()])
  const isLater = chance() < 0.3
  await both(
    'put off',
    () => inTransaction(db, (tx) => rescheduleJob(tx, id, isLater ? new Date(Date.now() + LATER_MS).toISOString() : '2000-01-01T00:00:00Z')),
    () => twins.rescheduleJob(twin, id, isLater ? now + LATER_MS : 0, now),
  )
}

/** A hand in SQL, which waits for whoever has the job. */
async function changePriority(): Promise<void> {
  const waiting = [...twin.jobs.values()].filter(({ status }) => status === 'queued' || status === 'retried')
  const [{ id }, priority] = [oneOf(chance() < 0.8 && waiting.length > 0 ? waiting : [...twin.jobs.values()]), between(-1, 1)]
  await both(
    'priority',
    async () => void (await database.owner(`update job_queue set priority = $2 where id = $1 and status in ('queued', 'retried')`, [id, priority])),
    () => twins.changePriority(twin, id, priority),
  )
}

/** Live workers beat in the far future and those without a heart in the far past, so that no clock matters. */
async function setHeartbeat(id: number, lives: boolean): Promise<void> {
  await database.owner(`update workers set heartbeat_at = $2::timestamptz where id = $1`, [id, lives ? '2100-01-01' : '2000-01-01'])
  twin.workers.set(id, { ...twin.workers.get(id)!, heartbeat_at: lives ? Number.MAX_SAFE_INTEGER : 0 })
}

async function register(): Promise<void> {
  const description = { name: 'twin', host: 'here', pid: 1, version: '0', queues: [QUEUE] }
  const id = await both(
    'register',
    () => workers.registerWorker(db, description),
    () => twins.registerWorker(twin, now),
  )
  await setHeartbeat(id, true)
}

async function tendWorkers(): Promise<void> {
  const id = oneOf([...twin.workers.keys()])
  const chosen = between(1, 5)
  if (chosen === 1) await register()
  if (chosen === 2) {
    const lives = await both(
      'heartbeat',
      async () => (await workers.heartbeat(db, id, { event_loop_lag_ms: 0, actor_tree: {} })) !== null,
      () => twins.heartbeat(twin, id, now),
    )
    if (lives) await setHeartbeat(id, true)
  }
  if (chosen === 3) await setHeartbeat(id, false)
  if (chosen >= 4) {
    const status = chosen === 4 ? 'draining' : 'stopped'
    await both(
      'status',
      () => workers.setWorkerStatus(db, id, status),
      () => twins.setWorkerStatus(twin, id, status, now),
    )
    await setHeartbeat(id, true)
  }
}

async function rescue(): Promise<void> {
  await both(
    'lost',
    async () => (await workers.declareLostWorkers(db, 0)).toSorted(byNumber),
    () => twins.declareLostWorkers(twin, 0, now).toSorted(byNumber),
  )
  await both(
    'unrescued',
    () => workers.hasUnrescuedWorkers(db),
    () => twins.hasUnrescuedWorkers(twin),
  )
  const orphans = await both(
    'orphans',
    async () => (await orphanedJobs(db, 5)).map(({ id }) => id),
    () => twins.orphanedJobs(twin, 5, now).map(({ id }) => id),
  )
  for (const id of orphans)
    decided.push(moveOf(twins.standingRowOf(twin.jobs.get(id)!, now), { type: 'LOSE', fault, backoff_ms: 0 }, { details: { error: fault } })!)
  await both(
    'close',
    () => workers.closeRescues(db, 0),
    () => twins.closeRescues(twin, 0, now),
  )
}

async function census(): Promise<void> {
  const ids = Array.from({ length: 5 }, () => oneOf([...twin.jobs.keys()]))
  const asked = oneOf(ids)
  await both(
    'cancel',
    () => requestCancel(db, asked),
    () => twins.requestCancel(twin, asked, now),
  )
  const byId = (one: { id: number }, other: { id: number }): number => one.id - other.id
  const unique = [...new Set(ids)]
  await both(
    'holders',
    async () => (await workers.holdersOf(db, unique)).toSorted(byId),
    () => twins.holdersOf(twin, unique).toSorted(byId),
  )
  const worker = oneOf([...twin.workers.keys()])
  await both(
    'held',
    async () => (await workers.jobsHeldBy(db, worker)).toSorted(byNumber),
    () => twins.jobsHeldBy(twin, worker).toSorted(byNumber),
  )
}

const rowOf = (job: twins.TwinJob) => ({
  id: job.id,
  status: job.status,
  version: job.version,
  attempt: job.attempt,
  max_attempts: job.max_attempts,
  priority: job.priority,
  locked_by: job.locked_by,
  last_error: job.last_error,
  unique_key: job.unique_key,
  cancelled: job.cancel_requested_at !== null,
})

async function compareTables(): Promise<void> {
  const rows = await database.owner(
    `select id::int, status, version, attempt, max_attempts, priority, locked_by, last_error, unique_key, cancel_requested_at is not null as cancelled from job_queue order by id`,
  )
  assert.deepEqual(rows, [...twin.jobs.values()].toSorted((one, other) => one.id - other.id).map(rowOf))
  const log = await database.owner(`select job_id::int, seq, event, from_state, to_state, attempt, worker, details from job_events order by job_id, seq`)
  assert.deepEqual(
    log,
    [...twin.events].toSorted(([one], [other]) => one - other).flatMap(([job_id, events]) => events.map((event) => ({ job_id, ...event }))),
  )
  const places = await database.owner(`select job_id::int, state, run_after <= now() as due from job_ready order by job_id`)
  assert.deepEqual(
    places,
    [...twin.places].toSorted(([one], [other]) => one - other).map(([job_id, { state, run_after }]) => ({ job_id, state, due: run_after <= now })),
  )
  const bundles = await database.owner(
    `select tenant::text, priority, job_ids::int[] as job_ids, last_id::int, run_after <= now() as due from job_bundles order by job_bundles.last_id`,
  )
  assert.deepEqual(
    bundles,
    [...twin.bundles.values()]
      .toSorted((one, other) => one.last_id - other.last_id)
      .map(({ tenant, priority, job_ids, last_id, run_after }) => ({ tenant, priority, job_ids, last_id, due: run_after <= now })),
  )
  const held = await database.owner(`
    select worker, serial, array_agg(id::int order by id) as ids, array_agg(version order by id) as versions
      from job_leases cross join unnest(job_ids, versions) as leased (id, version) group by worker, serial order by worker, serial`)
  assert.deepEqual(
    held,
    [...twin.leases.values()]
      .toSorted((one, other) => one.worker - other.worker || one.serial - other.serial)
      .map(({ worker, serial, jobs }) => ({ worker, serial, jobs: jobs.toSorted((one, other) => one.id - other.id) }))
      .map(({ worker, serial, jobs }) => ({ worker, serial, ids: jobs.map(({ id }) => id), versions: jobs.map(({ version }) => version) })),
  )
  const keys = await database.owner(`select job_id::int from job_unique order by job_id`)
  assert.deepEqual(
    keys.map((row) => row['job_id']),
    [...twin.unique.values()].toSorted(byNumber),
  )
  const lives = await database.owner(`select id, status, ended_at is not null as ended, rescued_at is not null as rescued from workers order by id`)
  assert.deepEqual(
    lives,
    [...twin.workers].map(([id, { status, ended_at, rescued_at }]) => ({ id, status, ended: ended_at !== null, rescued: rescued_at !== null })),
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
}

test('the twin does what PostgreSQL does, statement by statement, stale moves and lost workers included', async (t) => {
  await register()
  await register()
  await enqueue()
  for (let step = 0; step < STEPS; step += 1) {
    await oneOf([
      enqueue,
      claim,
      claim,
      lease,
      lease,
      recordUnknown,
      record,
      record,
      record,
      cancelAsBefore,
      putOff,
      changePriority,
      tendWorkers,
      rescue,
      census,
    ])()
    if (twin.workers.values().every(({ status }) => status !== 'active')) await register()
    if (step % 100 === 0) await compareTables()
  }
  await compareTables()
  const events = [...twin.events.values()].flat()
  const { undone: _, ...fates } = twin.fates
  t.diagnostic(`${STEPS} steps, ${twin.jobs.size} jobs, ${events.length} events, bundles ${JSON.stringify(fates)}`)
  assert.ok(Math.min(...Object.values(fates)) > 0, 'bundles are taken in whole and in part, left, and have members that moved on')
  assert.equal(new Set(events.map(({ event }) => event)).size, 11, 'every event occurs')
})
