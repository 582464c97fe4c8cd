import { z } from 'zod'
import type { JobEventName, JobState } from '#machines/job.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { resolveDependents } from './job-dependencies.ts'
import { NO_TENANT } from './jobs.ts'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** One transition that the machine decided, ready to be recorded. */
export interface Transition {
  event: JobEventName
  from: JobState
  to: JobState
  attempt: number
  worker: number | null
  details?: unknown
  /** When it was decided, on this process's monotonic clock, for a transition that is recorded later than that. */
  decided_at?: number | undefined
}

/** The transitions of one job since `version`, and the standing in which they leave it. */
export interface Move {
  id: number
  /** The fence: the version that the decision was made on. Any other write in between has changed it. */
  version: number
  standing: JobStanding
  transitions: readonly Transition[]
  result?: unknown
  /** The serial of the worker's lease, where the move begins with a CLAIM under it: without that lease it is refused. */
  lease?: number | null
}

/**
 * Records what was decided: the rows, fenced, and their events. The fence is the version with the state and the holder on
 * which was decided: a version alone comes twice where a claim was undone before it reached the disk, and is met by
 * chance where a START was refused and its job's later moves are still to come.
 *
 * Most moves of a busy queue are alike (CLAIM, START and SUCCEED of a first attempt, nothing to keep): those go by a
 * statement of their own that carries little but their ids. All in id order, so that two batches do not deadlock.
 *
 * @returns the ids that were recorded; an id that is not among them had changed meanwhile, and nothing of its move was written
 */
export async function recordMoves(db: CommonQueryMethods, moves: readonly Move[]): Promise<ReadonlySet<number>> {
  if (moves.length === 0) return new Set()
  const recorded = new Set(moves.map((move) => move.id))
  const ordered = moves.toSorted((one, other) => one.id - other.id)
  const worker = ordered[0]!.transitions[0]!.worker
  const { alike, others } = worker === null ? { alike: [], others: ordered } : partedByLikeness(ordered, worker)
  const rows: RecordedRow[] = []
  for (const successes of alike) rows.push(...(await recordPlainSuccesses(db, worker!, successes)))
  if (others.length > 0) rows.push(...(await recordEach(db, others)))
  for (const row of rows) if (!row.recorded) recorded.delete(row.id)
  const awaited = rows.filter((row) => row.has_dependents).map((row) => row.id)
  if (awaited.length > 0) await resolveDependents(db, awaited)
  return recorded
}

const recordedRow = z.object({ id: z.number(), recorded: z.boolean(), has_dependents: z.boolean() })
type RecordedRow = z.infer<typeof recordedRow>

/** Fewer alike moves than this are not worth a statement of their own. */
const ALIKE_MIN = 8

/** Plain successes by what they have in common, which is the version and where it began, and all that is left. */
function partedByLikeness(moves: readonly Move[], worker: number): { alike: Move[][]; others: Move[] } {
  const groups = new Map<string | number, Move[]>()
  const others: Move[] = []
  for (const move of moves) {
    if (!isPlainSuccess(move, worker)) {
      others.push(move)
      continue
    }
    const likeness = move.lease == null ? -move.version : move.version
    const group = groups.get(likeness)
    if (group) group.push(move)
    else groups.set(likeness, [move])
  }
  const alike = [...groups.values()].filter((group) => group.length >= ALIKE_MIN)
  const few = [...groups.values()].filter((group) => group.length < ALIKE_MIN).flat()
  return { alike, others: few.length === 0 ? others : [...others, ...few].toSorted((one, other) => one.id - other.id) }
}

/** A job's life from its lease, or from its claim, to its end, in one move with nothing to keep. */
function isPlainSuccess({ transitions, result, standing, lease }: Move, worker: number): boolean {
  const from = transitions[0]!.from
  return (
    standing.state === 'done' &&
    result === undefined &&
    (transitions.length === 2 ? from === 'claimed' : transitions.length === 3 && from === 'queued' && lease != null) &&
    transitions.every((transition) => transition.details === undefined && transition.worker === worker)
  )
}

/** Neighbours in id order that came by one lease and whose transitions were decided in the same milliseconds. */
interface Stretch {
  first_id: number
  serial: number | null
  claimed_ms: number
  started_ms: number
  ended_ms: number
}

function stretchesOf(moves: readonly Move[]): Stretch[] {
  const now = performance.now()
  const stretches: Stretch[] = []
  let last: Stretch | undefined
  for (const { id, lease, transitions } of moves) {
    const serial = lease ?? null
    const claimed_ms = agoMs(transitions[0]!, now)
    const started_ms = agoMs(transitions.at(-2)!, now)
    const ended_ms = agoMs(transitions.at(-1)!, now)
    if (last && last.serial === serial && last.claimed_ms === claimed_ms && last.started_ms === started_ms && last.ended_ms === ended_ms) continue
    last = { first_id: id, serial, claimed_ms, started_ms, ended_ms }
    stretches.push(last)
  }
  return stretches
}

/**
 * Successes of one version, all leased or all claimed. A job finds its stretch by width_bucket, which searches the first
 * ids: a join of 2,000 jobs with what is told of each took as long as updating their rows.
 *
 * @param moves in id order
 * @returns only what is out of the ordinary: refused moves, and jobs that others wait for
 */
async function recordPlainSuccesses(db: CommonQueryMethods, worker: number, moves: readonly Move[]): Promise<readonly RecordedRow[]> {
  const { version, lease, transitions } = moves[0]!
  const isLeased = lease != null
  const last = version + transitions.length
  const stretches = stretchesOf(moves)
  const ids = numbers(moves, (move) => move.id)
  const firstIds = numbers(stretches, (stretch) => stretch.first_id)
  const serials = isLeased ? numbers(stretches, (stretch) => stretch.serial) : '{}'
  return db.any(
    prepared(
      'record-plain-successes',
      sql.type(recordedRow)`
    with lease as materialized (
      select serial from job_leases where worker = ${worker} and serial = any(${serials}::int4[])
    ), at as materialized (
      select array_agg(now() - claimed_ms * interval '1 millisecond' order by place) as claimed,
             array_agg(now() - started_ms * interval '1 millisecond' order by place) as started,
             array_agg(now() - ended_ms * interval '1 millisecond' order by place) as ended
        from unnest(
          ${numbers(stretches, (stretch) => stretch.claimed_ms)}::int4[],
          ${numbers(stretches, (stretch) => stretch.started_ms)}::int4[],
          ${numbers(stretches, (stretch) => stretch.ended_ms)}::int4[]
        ) with ordinality as stretch (claimed_ms, started_ms, ended_ms, place)
    ), moved as (
      update job_queue job
         set status = 'done', version = ${last}, attempt = job.attempt + ${isLeased ? 1 : 0}::int2,
             locked_by = null, locked_at = null, cancel_requested_at = null,
             last_error = null, result = null, progress = null, finished_at = now(), updated_at = now()
       where job.id = any(case
               when not exists (select from unnest(${serials}::int4[]) as serial where serial not in (select serial from lease)) then ${ids}::int8[]
               else array(
                 select id from unnest(${ids}::int8[]) as id where (${serials}::int4[])[width_bucket(id, ${firstIds}::int8[])] in (select serial from lease)
               )
             end)
         and job.version = ${version} and job.status = ${isLeased ? 'queued' : 'claimed'}::job_status
         and job.locked_by is not distinct from ${isLeased ? null : worker}::int4
      returning job.id, job.attempt, job.organization_id, job.job_type, job.unique_key, job.has_dependents, width_bucket(job.id, ${firstIds}::int8[]) as stretch
    ), freed as (
      delete from job_unique using moved
       where moved.unique_key is not null and job_unique.tenant = coalesce(moved.organization_id, ${NO_TENANT})
         and job_unique.job_type = moved.job_type and job_unique.unique_key = moved.unique_key
    ), vacated as (
      delete from job_slots using moved where job_slots.job_id = moved.id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at)
      select id, ${last}::int4 - to_go, event, from_state, to_state, attempt, ${worker}, organization_id,
             case to_go when 2 then (select claimed from at)[stretch] when 1 then (select started from at)[stretch] else (select ended from at)[stretch] end
        from moved cross join (
          values (2, 'CLAIM'::job_event, 'queued'::job_status, 'claimed'::job_status), (1, 'START', 'claimed', 'running'), (0, 'SUCCEED', 'running', 'done')
        ) as step (to_go, event, from_state, to_state)
       where to_go < ${transitions.length}
    )
    select id, false as recorded, false as has_dependents
      from unnest(${ids}::int8[]) as id
     where (select count(*) from moved) < cardinality(${ids}::int8[]) and id not in (select id from moved)
    union all
    select id, true, true from moved where has_dependents`,
    ),
  )
}

/** Whole numbers as the text of a PostgreSQL array: a driver that quotes each element takes longer than the rest of the call. */
function numbers<T>(rows: readonly T[], pick: (row: T) => number | null): string {
  return `{${rows.map((row) => pick(row) ?? 'null').join(',')}}`
}

/** Whole milliseconds since a transition was decided: by so much its event lies before the statement that records it, never by more. */
function agoMs({ decided_at }: Transition, now: number): number {
  return decided_at === undefined ? 0 : Math.max(0, Math.floor(now - decided_at))
}

/** Who held the job before the move: its transitions name the holder from which they take it. */
function holderBefore({ transitions: [first] }: Move): number | null {
  return first !== undefined && (first.from === 'claimed' || first.from === 'running') ? first.worker : null
}

/** Takes jobs out of the bundles in which they wait; a bundle of which nothing is left goes. */
const leftBundles = sql.fragment`, left_bundles as materialized (
      select moved.queue, moved.tenant, moved.priority, moved.was_due, bundle.last_id, array_agg(moved.id) as ids
        from moved cross join lateral (
          select last_id, job_ids from job_bundles
           where queue = moved.queue and tenant = moved.tenant and priority = moved.priority and run_after = moved.was_due and last_id >= moved.id
           order by last_id limit 1
        ) as bundle
       where moved.may_be_bundled and moved.was = 'queued' and moved.id = any(bundle.job_ids)
       group by 1, 2, 3, 4, 5
    ), locked as materialized (
      -- In one order: two that cancel jobs of the same bundles do not wait for each other.
      select bundle.queue, bundle.tenant, bundle.priority, bundle.run_after, bundle.last_id, bundle.job_ids, left_bundles.ids
        from left_bundles join job_bundles bundle
          on bundle.queue = left_bundles.queue and bundle.tenant = left_bundles.tenant and bundle.priority = left_bundles.priority
         and bundle.run_after = left_bundles.was_due and bundle.last_id = left_bundles.last_id
       order by 1, 2, 3, 4, 5 for update of bundle
    ), rest as materialized (
      select locked.*, array(select id from unnest(job_ids) with ordinality as member (id, place) where id <> all(ids) order by place) as kept from locked
    ), unbundled as (
      update job_bundles bundle set job_ids = rest.kept from rest
       where bundle.queue = rest.queue and bundle.tenant = rest.tenant and bundle.priority = rest.priority
         and bundle.run_after = rest.run_after and bundle.last_id = rest.last_id and cardinality(rest.kept) > 0
    ), emptied as (
      delete from job_bundles bundle using rest
       where bundle.queue = rest.queue and bundle.tenant = rest.tenant and bundle.priority = rest.priority
         and bundle.run_after = rest.run_after and bundle.last_id = rest.last_id and cardinality(rest.kept) = 0
    )`

async function recordEach(db: CommonQueryMethods, moves: readonly Move[]): Promise<readonly RecordedRow[]> {
  const column = <T>(pick: (move: Move) => T) => moves.map(pick)
  const now = performance.now()
  const steps = moves.flatMap((move) => move.transitions.map((transition, index) => ({ ...transition, id: move.id, seq: move.version + index + 1 })))
  // Few moves are such, and what none of them needs is not planned and begun for each lone job.
  const mayBeBundled = moves.some((move) => move.version === 1 && move.lease == null && move.transitions[0]!.from === 'queued')
  return db.any(
    prepared(
      mayBeBundled ? 'record-bundled-moves' : 'record-moves',
      sql.type(recordedRow)`
    with decided as materialized (
      select * from unnest(
        ${sql.array(
          column((move) => move.id),
          'int8',
        )},
        ${sql.array(
          column((move) => move.version),
          'int4',
        )},
        ${sql.array(
          column((move) => move.transitions[0]!.from),
          'text',
        )},
        ${sql.array(column(holderBefore), 'int4')},
        ${sql.array(
          column((move) => move.transitions.length),
          'int4',
        )},
        ${sql.array(
          column((move) => move.standing.state),
          'text',
        )},
        ${sql.array(
          column((move) => move.standing.context.attempt),
          'int2',
        )},
        ${sql.array(
          column((move) => move.standing.context.worker),
          'int4',
        )},
        ${sql.array(
          column((move) => move.standing.context.delay_ms),
          'float8',
        )},
        ${sql.array(
          column((move) => move.standing.context.last_error),
          'text',
        )},
        ${sql.array(
          column((move) => (move.result === undefined ? null : JSON.stringify(move.result))),
          'text',
        )},
        ${sql.array(
          column((move) => move.lease ?? null),
          'int4',
        )},
        ${sql.array(
          column((move) => move.transitions[0]!.worker),
          'int4',
        )}
      ) as decided (id, version, was, holder, steps, status, attempt, worker, delay_ms, last_error, result, serial, claimant)
    ), before as materialized (
      select job.id, job.status, job.queue, coalesce(job.organization_id, ${NO_TENANT}) as tenant, job.priority, job.run_after, job.limit_key
        from job_queue job join decided on decided.id = job.id and decided.version = job.version
         and decided.was::job_status = job.status and decided.holder is not distinct from job.locked_by
         and (decided.serial is null or exists (select from job_leases lease where lease.worker = decided.claimant and lease.serial = decided.serial))
       order by job.id for update of job
    ), moved as (
      update job_queue job
         set status = decided.status::job_status,
             version = decided.version + decided.steps,
             attempt = decided.attempt,
             locked_by = decided.worker,
             locked_at = case when decided.worker is null then null else coalesce(job.locked_at, now()) end,
             cancel_requested_at = case when decided.worker is null then null else job.cancel_requested_at end,
             run_after = case when decided.status in ('queued', 'retried') then now() + decided.delay_ms * interval '1 millisecond' else job.run_after end,
             last_error = decided.last_error,
             result = decided.result::jsonb,
             progress = case when decided.worker is null then null else job.progress end,
             finished_at = case when decided.status in ('done', 'failed', 'cancelled') then now() end,
             updated_at = now()
        from decided join before on before.id = decided.id
       where job.id = decided.id and job.version = decided.version
      returning job.id, job.organization_id, job.status, job.run_after, before.status as was, before.queue, before.tenant, before.priority,
                before.run_after as was_due, coalesce(before.limit_key, '') as limit_key, job.limit_max, job.blocked_by,
                job.job_type, job.unique_key, job.has_dependents, decided.version = 1 and decided.serial is null as may_be_bundled
    ), placed as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, tenant, priority, limit_key, limit_max, run_after, id, status from moved where status in ('queued', 'retried') and blocked_by = 0
    ), displaced as (
      delete from job_ready using moved
       where moved.was in ('queued', 'retried')
         and job_ready.queue = moved.queue and job_ready.tenant = moved.tenant and job_ready.priority = moved.priority
         and job_ready.limit_key = moved.limit_key and job_ready.run_after = moved.was_due and job_ready.job_id = moved.id
    )${mayBeBundled ? leftBundles : sql.fragment``}, freed as (
      delete from job_unique using moved
       where moved.unique_key is not null and moved.status in ('done', 'failed', 'cancelled')
         and job_unique.tenant = moved.tenant and job_unique.job_type = moved.job_type and job_unique.unique_key = moved.unique_key
    ), vacated as (
      delete from job_slots using moved where job_slots.job_id = moved.id and moved.status not in ('claimed', 'running')
    ), keyed as (
      insert into job_unique (tenant, job_type, unique_key, job_id)
      select tenant, job_type, unique_key, id from moved where unique_key is not null and was in ('done', 'failed', 'cancelled')
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at, details)
      select moved.id, step.seq, step.event::job_event, step.from_state::job_status, step.to_state::job_status, step.attempt, step.worker,
             moved.organization_id, now() - step.ago_ms * interval '1 millisecond', step.details::jsonb
        from unnest(
          ${sql.array(
            steps.map((step) => step.id),
            'int8',
          )},
          ${sql.array(
            steps.map((step) => step.seq),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => step.event),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.from),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.to),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.attempt),
            'int2',
          )},
          ${sql.array(
            steps.map((step) => step.worker),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => agoMs(step, now)),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => (step.details === undefined ? null : JSON.stringify(step.details))),
            'text',
          )}
        ) as step (id, seq, event, from_state, to_state, attempt, worker, ago_ms, details)
        join moved on moved.id = step.id
    )
    select decided.id, moved.id is not null as recorded, coalesce(has_dependents, false) as has_dependents
      from decided left join moved on moved.id = decided.id
     where moved.id is null or has_dependents`,
    ),
  )
}
