import type { Claim, ClaimedRow, LaneRow } from '#db/job-claims.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { LeaseHolder } from '#db/job-leases.ts'
import type { Move } from '#db/job-records.ts'
import type { StandingRow } from '#db/jobs.ts'
import type { LoggedEvent } from '#machines/replay.ts'
import type { JobState } from '#machines/job.ts'

/** The tenant of a job of the installation. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000'
const ENDED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])
const WAITING: ReadonlySet<string> = new Set(['queued', 'retried'])

/** A row of job_queue, as far as the engine decides on it. Times are milliseconds of the simulated clock. */
export interface TwinJob {
  readonly id: number
  readonly organization_id: string | null
  readonly job_type: string
  readonly queue: string
  readonly priority: number
  readonly max_attempts: number
  readonly unique_key: string | null
  readonly payload: unknown
  readonly status: JobState
  readonly version: number
  readonly attempt: number
  readonly run_after: number
  readonly locked_by: number | null
  readonly cancel_requested_at: number | null
  readonly last_error: string | null
}

/** A row of workers. */
export interface TwinWorker {
  readonly status: 'active' | 'draining' | 'stopped' | 'lost'
  readonly heartbeat_at: number
  readonly ended_at: number | null
  readonly rescued_at: number | null
}

/** A row of job_ready. */
export interface TwinPlace {
  readonly run_after: number
  readonly state: 'queued' | 'retried'
}

/** A row of job_leases. */
export interface TwinLease {
  readonly worker: number
  readonly serial: number
  readonly jobs: readonly { id: number; version: number }[]
  readonly leased_at: number
}

/**
 * PostgreSQL's part of the engine in memory: what the statements of src/db/jobs.ts and src/db/workers.ts do to their
 * tables. A test holds the two equal; the simulation then trusts it.
 */
export interface Twin {
  jobs: Map<number, TwinJob>
  places: Map<number, TwinPlace>
  events: Map<number, readonly LoggedEvent[]>
  unique: Map<string, number>
  workers: Map<number, TwinWorker>
  /** By worker and serial. */
  leases: Map<string, TwinLease>
  /** Jobs whose row a transaction holds that hangs, and until when. */
  locks: Map<number, number>
  nextJob: number
  nextWorker: number
  startedAt: number
  /** How to undo what was committed without waiting for the disk, the newest last. */
  unflushed: (() => void)[]
  weakness: Weakness | null
}

/** Faults that the engine had, kept to prove that the simulation finds them. */
export type Weakness = 'fenced by version alone' | 'rescue closed early' | 'suspects forgotten' | 'claims merged' | 'asked once'

export function emptyTwin(): Twin {
  return {
    jobs: new Map(),
    places: new Map(),
    events: new Map(),
    unique: new Map(),
    workers: new Map(),
    leases: new Map(),
    locks: new Map(),
    nextJob: 1,
    nextWorker: 1,
    startedAt: 0,
    unflushed: [],
    weakness: null,
  }
}

const tenantOf = (job: { organization_id: string | null }): string => job.organization_id ?? NO_TENANT
const keyOf = (job: TwinJob): string => `${tenantOf(job)} ${job.job_type} ${job.unique_key}`
const isLocked = (twin: Twin, id: number, now: number): boolean => (twin.locks.get(id) ?? 0) > now

/** A commit that is waited for takes all earlier ones to the disk with it. */
function flush(twin: Twin): void {
  twin.unflushed = []
}

/** The server falls and comes back: what did not reach the disk was never done, and no transaction is open. */
export function restart(twin: Twin, now: number): void {
  for (const undo of twin.unflushed.toReversed()) undo()
  flush(twin)
  twin.locks.clear()
  twin.startedAt = now
}

/** enqueueJobs. */
export function enqueueJobs(twin: Twin, jobs: readonly NewJob[], now: number): (number | null)[] {
  flush(twin)
  return jobs.map((wanted) => {
    const job: TwinJob = {
      id: twin.nextJob++,
      organization_id: wanted.organization_id,
      job_type: wanted.job_type,
      queue: wanted.queue,
      priority: wanted.priority ?? 0,
      max_attempts: wanted.max_attempts,
      unique_key: wanted.unique_key ?? null,
      payload: wanted.payload,
      status: 'queued',
      version: 1,
      attempt: 0,
      run_after: now + (wanted.delay_ms ?? 0),
      locked_by: null,
      cancel_requested_at: null,
      last_error: null,
    }
    if (job.unique_key !== null && twin.unique.has(keyOf(job))) return null
    if (job.unique_key !== null) twin.unique.set(keyOf(job), job.id)
    twin.jobs.set(job.id, job)
    twin.places.set(job.id, { run_after: job.run_after, state: 'queued' })
    twin.events.set(job.id, [{ seq: 1, event: 'ENQUEUE', from_state: null, to_state: 'queued', attempt: 0, worker: null, details: null }])
    return job.id
  })
}

/** readyLanes. */
export function readyLanes(twin: Twin, queue: string, now: number): LaneRow[] {
  const waiting = [...twin.places.keys()].map((id) => twin.jobs.get(id)!).filter((job) => job.queue === queue)
  const lanes = Map.groupBy(waiting, (job) => `${tenantOf(job)} ${job.priority}`)
  return [...lanes.values()]
    .toSorted(([one], [other]) => (tenantOf(one!) === tenantOf(other!) ? one!.priority - other!.priority : tenantOf(one!) < tenantOf(other!) ? -1 : 1))
    .map((jobs) => {
      const head = Math.min(...jobs.map((job) => job.run_after))
      return {
        tenant: tenantOf(jobs[0]!),
        priority: jobs[0]!.priority,
        limit_key: '',
        bundled: false,
        limit_max: null,
        held: 0,
        head_us: head * 1_000,
        due_in_ms: head - now,
      }
    })
}

interface Due {
  job: TwinJob
  place: TwinPlace
  lane: number
}

/** takenPlaces: due jobs of the lanes, their places taken; not waited for, so a fall of the server may undo it. */
function takePlaces(twin: Twin, { queue, worker, lanes }: Claim, now: number): Due[] {
  if (twin.workers.get(worker)?.status !== 'active') return []
  const due = lanes.flatMap((lane, index) =>
    [...twin.places]
      .map(([id, place]) => ({ job: twin.jobs.get(id)!, place }))
      .filter(
        ({ job, place }) =>
          job.queue === queue &&
          tenantOf(job) === lane.tenant &&
          job.priority === lane.priority &&
          place.run_after * 1_000 >= lane.after_us &&
          place.run_after <= now &&
          !isLocked(twin, job.id, now),
      )
      .toSorted((one, other) => one.place.run_after - other.place.run_after || one.job.id - other.job.id)
      .slice(0, lane.limit)
      .map((one) => ({ ...one, lane: index + 1 })),
  )
  for (const { job, place } of due) {
    twin.unflushed.push(() => twin.places.set(job.id, place))
    twin.places.delete(job.id)
  }
  return due.toSorted((one, other) => one.lane - other.lane || one.place.run_after - other.place.run_after || one.job.id - other.job.id)
}

function writeClaim(twin: Twin, job: TwinJob, worker: number): TwinJob {
  const next: TwinJob = { ...job, status: 'claimed', version: job.version + 1, attempt: job.attempt + 1, locked_by: worker }
  twin.jobs.set(job.id, next)
  twin.events.set(job.id, [
    ...twin.events.get(job.id)!,
    { seq: next.version, event: 'CLAIM', from_state: job.status, to_state: 'claimed', attempt: next.attempt, worker, details: null },
  ])
  return next
}

/** claimJobs. */
export function claimJobs(twin: Twin, claim: Claim, now: number): ClaimedRow[] {
  return takePlaces(twin, claim, now).map(({ job, place, lane }) => {
    const log = twin.events.get(job.id)!
    twin.unflushed.push(() => {
      twin.jobs.set(job.id, job)
      twin.events.set(job.id, log)
    })
    return claimedRowOf(writeClaim(twin, job, claim.worker), place, lane, now)
  })
}

const leaseKey = (worker: number, serial: number): string => `${worker} ${serial}`

/** leaseJobs. */
export function leaseJobs(twin: Twin, claim: Claim & { serial: number; ended: readonly number[] }, now: number): ClaimedRow[] {
  const { worker, serial } = claim
  removeLeases(twin, worker, claim.ended)
  const due = takePlaces(twin, claim, now)
  if (due.length > 0) {
    twin.leases.set(leaseKey(worker, serial), { worker, serial, jobs: due.map(({ job: { id, version } }) => ({ id, version })), leased_at: now })
    twin.unflushed.push(() => twin.leases.delete(leaseKey(worker, serial)))
  }
  return due.map(({ job, place, lane }) => claimedRowOf(job, place, lane, now))
}

/** Whether a worker has the job under a lease, as it stands. */
export function isLeased(twin: Twin, { id, version }: TwinJob): boolean {
  return twin.leases.values().some((lease) => lease.jobs.some((job) => job.id === id && job.version === version))
}

/** endLeases. */
export function removeLeases(twin: Twin, worker: number, serials: readonly number[]): void {
  if (!lives(twin.workers.get(worker)!)) return
  for (const serial of serials) {
    const lease = twin.leases.get(leaseKey(worker, serial))
    if (!lease) continue
    twin.leases.delete(leaseKey(worker, serial))
    twin.unflushed.push(() => twin.leases.set(leaseKey(worker, serial), lease))
  }
}

/** recordLeases. */
export function recordLeases(twin: Twin, holder: LeaseHolder, now: number): number {
  flush(twin)
  const meant = [...twin.leases.values()]
    .filter((lease) =>
      holder === 'ended'
        ? !lives(twin.workers.get(lease.worker)!)
        : lease.worker === holder.worker && lease.serial <= holder.up_to && !holder.except.includes(lease.serial),
    )
    .toSorted((one, other) => one.worker - other.worker || one.serial - other.serial)
    .slice(0, 20)
  for (const { worker, serial, jobs } of meant) {
    let hidden = false
    for (const { id, version } of jobs) {
      const job = twin.jobs.get(id)!
      if (job.version !== version || !WAITING.has(job.status)) continue
      if (isLocked(twin, id, now)) hidden = true
      else writeClaim(twin, job, worker)
    }
    if (!hidden) twin.leases.delete(leaseKey(worker, serial))
  }
  return meant.length
}

function claimedRowOf(job: TwinJob, place: TwinPlace, lane: number, now: number): ClaimedRow {
  const { id, organization_id, job_type, version, attempt, max_attempts, last_error, payload } = job
  return {
    id,
    organization_id,
    job_type,
    version,
    attempt,
    max_attempts,
    last_error,
    payload,
    lane,
    was: place.state,
    due_us: place.run_after * 1_000,
    wait_ms: now - place.run_after,
  }
}

/** recordMoves: each fenced by the version, the state and the holder on which was decided. @returns the ids that were recorded */
export function recordMoves(twin: Twin, moves: readonly Move[], now: number): Set<number> {
  flush(twin)
  const recorded = new Set<number>()
  for (const move of moves.toSorted((one, other) => one.id - other.id)) {
    const job = twin.jobs.get(move.id)
    if (!job || job.version !== move.version || !isFenced(twin, job, move)) continue
    recorded.add(job.id)
    write(twin, job, move, now)
  }
  return recorded
}

/** Decided on the state and by the holder that the row has; a CLAIM under the worker's lease. */
function isFenced(twin: Twin, job: TwinJob, { transitions: [first], lease }: Move): boolean {
  const holder = first!.from === 'claimed' || first!.from === 'running' ? first!.worker : null
  const isLeased = lease == null || twin.leases.has(leaseKey(first!.worker!, lease))
  return twin.weakness === 'fenced by version alone' || (job.status === first!.from && job.locked_by === holder && isLeased)
}

function write(twin: Twin, job: TwinJob, move: Move, now: number): void {
  const { state, context } = move.standing
  const waits = WAITING.has(state)
  const next: TwinJob = {
    ...job,
    status: state,
    version: move.version + move.transitions.length,
    attempt: context.attempt,
    locked_by: context.worker,
    cancel_requested_at: context.worker === null ? null : job.cancel_requested_at,
    run_after: waits ? now + context.delay_ms : job.run_after,
    last_error: context.last_error,
  }
  twin.jobs.set(job.id, next)
  if (state === 'queued' || state === 'retried') twin.places.set(job.id, { run_after: next.run_after, state })
  else twin.places.delete(job.id)
  if (job.unique_key !== null) followKey(twin, job, next)
  const steps = move.transitions.map(({ event, from, to, attempt, worker, details }, index): LoggedEvent => ({
    seq: move.version + index + 1,
    event,
    from_state: from,
    to_state: to,
    attempt,
    worker,
    details: details ?? null,
  }))
  twin.events.set(job.id, [...twin.events.get(job.id)!, ...steps])
}

function followKey(twin: Twin, before: TwinJob, after: TwinJob): void {
  if (ENDED.has(after.status)) twin.unique.delete(keyOf(after))
  else if (ENDED.has(before.status)) twin.unique.set(keyOf(after), after.id)
}

/** What lockJob answers. */
export function standingRowOf(job: TwinJob, now: number): StandingRow {
  const { id, organization_id, job_type, queue, status, version, attempt, max_attempts, locked_by, last_error, cancel_requested_at } = job
  return {
    id,
    organization_id,
    job_type,
    queue,
    status,
    version,
    attempt,
    max_attempts,
    locked_by,
    last_error,
    delay_ms: Math.max(0, job.run_after - now),
    cancel_requested_at: cancel_requested_at === null ? null : new Date(cancel_requested_at),
  }
}

/** requestCancel. */
export function requestCancel(twin: Twin, id: number, now: number): void {
  flush(twin)
  const job = twin.jobs.get(id)!
  if (job.locked_by !== null) twin.jobs.set(id, { ...job, cancel_requested_at: job.cancel_requested_at ?? now })
}

/** holdersOf. */
export function holdersOf(twin: Twin, ids: readonly number[]): { id: number; locked_by: number | null; cancel_requested: boolean }[] {
  return ids.flatMap((id) => {
    const job = twin.jobs.get(id)
    return job ? [{ id, locked_by: job.locked_by, cancel_requested: job.cancel_requested_at !== null }] : []
  })
}

/** jobsHeldBy. */
export function jobsHeldBy(twin: Twin, worker: number): number[] {
  return [...twin.jobs.values()].filter((job) => job.locked_by === worker).map((job) => job.id)
}

/** registerWorker. */
export function registerWorker(twin: Twin, now: number): number {
  flush(twin)
  const id = twin.nextWorker++
  twin.workers.set(id, { status: 'active', heartbeat_at: now, ended_at: null, rescued_at: null })
  return id
}

const lives = ({ status }: TwinWorker): boolean => status === 'active' || status === 'draining'

/** heartbeat. */
export function heartbeat(twin: Twin, id: number, now: number): boolean {
  flush(twin)
  const worker = twin.workers.get(id)!
  if (!lives(worker)) return false
  twin.workers.set(id, { ...worker, heartbeat_at: now })
  return true
}

/** setWorkerStatus. */
export function setWorkerStatus(twin: Twin, id: number, status: 'draining' | 'stopped', now: number): void {
  flush(twin)
  const worker = twin.workers.get(id)!
  if (lives(worker)) twin.workers.set(id, { ...worker, status, heartbeat_at: now, ended_at: status === 'stopped' ? now : null })
}

/** declareLostWorkers. */
export function declareLostWorkers(twin: Twin, lostMs: number, now: number): number[] {
  flush(twin)
  const lost = [...twin.workers].filter(([, worker]) => lives(worker) && Math.max(worker.heartbeat_at, twin.startedAt) < now - lostMs)
  for (const [id, worker] of lost) twin.workers.set(id, { ...worker, status: 'lost', ended_at: now })
  return lost.map(([id]) => id)
}

/** hasUnrescuedWorkers. */
export function hasUnrescuedWorkers(twin: Twin): boolean {
  return twin.workers.values().some((worker) => worker.ended_at !== null && worker.rescued_at === null)
}

/** orphanedJobs. */
export function orphanedJobs(twin: Twin, limit: number, now: number): StandingRow[] {
  return [...twin.jobs.values()]
    .filter((job) => job.locked_by !== null && !lives(twin.workers.get(job.locked_by)!) && !isLocked(twin, job.id, now))
    .toSorted((one, other) => one.id - other.id)
    .slice(0, limit)
    .map((job) => standingRowOf(job, now))
}

/** closeRescues. */
export function closeRescues(twin: Twin, settleMs: number, now: number): void {
  flush(twin)
  for (const [id, worker] of twin.workers) {
    if (worker.ended_at === null || worker.rescued_at !== null || worker.ended_at >= now - settleMs) continue
    if (twin.weakness !== 'rescue closed early' && (jobsHeldBy(twin, id).length > 0 || twin.leases.values().some((lease) => lease.worker === id))) continue
    twin.workers.set(id, { ...worker, rescued_at: now })
  }
}
