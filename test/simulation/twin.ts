import type { Claim, ClaimedRow, LaneQuota, LaneRow } from '#db/job-claims.ts'
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

/** A row of job_bundles. */
export interface TwinBundle {
  readonly queue: string
  readonly tenant: string
  readonly priority: number
  readonly run_after: number
  readonly last_id: number
  readonly job_ids: readonly number[]
}

/** From how many jobs of one call on they stand in bundles, and how many a bundle holds: BUNDLED_MIN and BUNDLE_MAX of src/db/job-enqueue.ts. */
export interface Bundling {
  min: number
  max: number
}

/** What became of bundles: taken whole or in part, by a claim that a fall undid, left by a job that went elsewhere; and members that had moved on. */
export interface BundleFates {
  whole: number
  part: number
  undone: number
  left: number
  stale: number
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
  /** By last_id. */
  bundles: Map<number, TwinBundle>
  bundling: Bundling
  fates: BundleFates
  events: Map<number, readonly LoggedEvent[]>
  unique: Map<string, number>
  workers: Map<number, TwinWorker>
  /** By worker and serial. */
  leases: Map<string, TwinLease>
  /** Jobs whose row a transaction holds that hangs, and until when. */
  locks: Map<number, number>
  /** The same of bundles, by last_id. */
  bundleLocks: Map<number, number>
  nextJob: number
  nextWorker: number
  startedAt: number
  /** How to undo what was committed without waiting for the disk, the newest last. */
  unflushed: (() => void)[]
  weakness: Weakness | null
}

/** Faults that the engine had, kept to prove that the simulation finds them. */
export type Weakness =
  | 'fenced by version alone'
  | 'rescue closed early'
  | 'suspects forgotten'
  | 'claims merged'
  | 'asked once'
  | 'the rest of a bundle loses a job'
  | 'a bundle is trusted whatever became of its jobs'
  | 'a bundle goes when it was taken in part'
  | 'bundles are counted instead of jobs'
  | 'a job that is put off stays in its bundle'
  | 'a hidden lease is forgotten'
  | 'a hand gives leased jobs places'

export function emptyTwin(bundling: Bundling = { min: 20, max: 100 }): Twin {
  return {
    jobs: new Map(),
    places: new Map(),
    bundles: new Map(),
    bundling,
    fates: { whole: 0, part: 0, undone: 0, left: 0, stale: 0 },
    events: new Map(),
    unique: new Map(),
    workers: new Map(),
    leases: new Map(),
    locks: new Map(),
    bundleLocks: new Map(),
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
  twin.bundleLocks.clear()
  twin.startedAt = now
}

/** enqueueJobs. */
export function enqueueJobs(twin: Twin, jobs: readonly NewJob[], now: number): (number | null)[] {
  flush(twin)
  const groups = new Map<string, TwinJob[]>()
  const isBundled = jobs.length >= twin.bundling.min
  const ids = jobs.map((wanted, index) => {
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
    const group = `${tenantOf(job)} ${job.queue} ${job.priority} ${job.run_after} ${Math.floor(index / twin.bundling.max)}`
    if (isBundled) groups.set(group, [...(groups.get(group) ?? []), job])
    else twin.places.set(job.id, { run_after: job.run_after, state: 'queued' })
    twin.events.set(job.id, [{ seq: 1, event: 'ENQUEUE', from_state: null, to_state: 'queued', attempt: 0, worker: null, details: null }])
    return job.id
  })
  for (const group of groups.values()) {
    const [{ queue, priority, run_after }, last_id] = [group[0]!, group.at(-1)!.id]
    twin.bundles.set(last_id, { queue, tenant: tenantOf(group[0]!), priority, run_after, last_id, job_ids: group.map(({ id }) => id) })
  }
  return ids
}

/** readyLanes. */
export function readyLanes(twin: Twin, queue: string, now: number): LaneRow[] {
  const alone = [...twin.places.keys()].map((id) => twin.jobs.get(id)!).map((job) => ({ ...job, tenant: tenantOf(job), bundled: false }))
  const bundles = [...twin.bundles.values()].map((bundle) => ({ ...bundle, bundled: true }))
  const waiting = [...alone, ...bundles].filter((place) => place.queue === queue)
  const lanes = Map.groupBy(waiting, ({ bundled, tenant, priority }) => `${bundled} ${tenant} ${priority}`)
  return [...lanes.values()]
    .map((places) => ({ ...places[0]!, head: Math.min(...places.map(({ run_after }) => run_after)) }))
    .toSorted((one, other) => Number(one.bundled) - Number(other.bundled) || compareText(one.tenant, other.tenant) || one.priority - other.priority)
    .map(({ tenant, priority, bundled, head }) => ({
      tenant,
      priority,
      limit_key: '',
      bundled,
      limit_max: null,
      held: 0,
      head_us: head * 1_000,
      due_in_ms: head - now,
    }))
}
const compareText = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1)

interface Due {
  job: TwinJob
  place: TwinPlace
  lane: number
}

/** takenPlaces: due jobs of the lanes, their places taken; not waited for, so a fall of the server may undo it. */
function takePlaces(twin: Twin, { queue, worker, lanes }: Claim, now: number): Due[] {
  if (twin.workers.get(worker)?.status !== 'active') return []
  const due = lanes.flatMap((lane, index) => {
    const taken = lane.bundled ? takeFromBundles(twin, queue, lane, now) : duePlaces(twin, queue, lane, now)
    return taken.map((one) => ({ ...one, lane: index + 1 }))
  })
  for (const [index, { job, place }] of due.entries()) {
    if (lanes[due[index]!.lane - 1]!.bundled) continue
    twin.unflushed.push(() => twin.places.set(job.id, place))
    twin.places.delete(job.id)
  }
  return due.toSorted((one, other) => one.lane - other.lane || one.place.run_after - other.place.run_after || one.job.id - other.job.id)
}

type Waiting = Omit<Due, 'lane'>

function duePlaces(twin: Twin, queue: string, lane: LaneQuota, now: number): Waiting[] {
  return [...twin.places]
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
}

/** takenBundles: members of bundles that nobody holds, in whole and in part; one that has moved on counts, and is passed over. */
function takeFromBundles(twin: Twin, queue: string, lane: LaneQuota, now: number): Waiting[] {
  const free = [...twin.bundles.values()]
    .filter(
      (bundle) =>
        bundle.queue === queue &&
        bundle.tenant === lane.tenant &&
        bundle.priority === lane.priority &&
        bundle.run_after * 1_000 >= lane.after_us &&
        bundle.run_after <= now &&
        (twin.bundleLocks.get(bundle.last_id) ?? 0) <= now,
    )
    .toSorted((one, other) => one.run_after - other.run_after || one.last_id - other.last_id)
  const taken: Waiting[] = []
  for (let left = lane.limit; left > 0 && free.length > 0;) {
    const bundle = free.shift()!
    const size = twin.weakness === 'bundles are counted instead of jobs' ? bundle.job_ids.length : left
    taken.push(...openBundle(twin, bundle, size))
    left -= twin.weakness === 'bundles are counted instead of jobs' ? 1 : bundle.job_ids.length
  }
  return taken
}

function openBundle(twin: Twin, bundle: TwinBundle, most: number): Waiting[] {
  const { last_id, job_ids, run_after } = bundle
  twin.unflushed.push(() => {
    twin.fates.undone += 1
    twin.bundles.set(last_id, bundle)
  })
  const kept = job_ids.slice(most + (twin.weakness === 'the rest of a bundle loses a job' ? 1 : 0))
  twin.fates[kept.length > 0 ? 'part' : 'whole'] += 1
  if (kept.length > 0 && twin.weakness !== 'a bundle goes when it was taken in part') twin.bundles.set(last_id, { ...bundle, job_ids: kept })
  else twin.bundles.delete(last_id)
  const members = job_ids.slice(0, most).flatMap((id) => twin.jobs.get(id) ?? [])
  const meant = members.filter((job) => job.status === 'queued' && (job.version === 1 || twin.weakness === 'a bundle is trusted whatever became of its jobs'))
  twin.fates.stale += members.length - meant.length
  return meant.map((job) => ({ job, place: { run_after, state: 'queued' } }))
}

/** The bundle in which a job waits. */
export function bundleOf(twin: Twin, job: TwinJob): TwinBundle | undefined {
  if (job.version !== 1 || job.status !== 'queued') return undefined
  return twin.bundles
    .values()
    .find(
      (bundle) =>
        bundle.queue === job.queue &&
        bundle.tenant === tenantOf(job) &&
        bundle.priority === job.priority &&
        bundle.run_after === job.run_after &&
        bundle.job_ids.includes(job.id),
    )
}

/** A job that waited in a bundle goes elsewhere; a bundle of which nothing is left goes. */
function leaveBundle(twin: Twin, job: TwinJob): void {
  const bundle = bundleOf(twin, job)
  if (!bundle) return
  twin.fates.left += 1
  const job_ids = bundle.job_ids.filter((id) => id !== job.id)
  if (job_ids.length > 0) twin.bundles.set(bundle.last_id, { ...bundle, job_ids })
  else twin.bundles.delete(bundle.last_id)
}

/** rescheduleJob, with the trigger that moves its place. @returns false where it waits no more, or somebody has its place */
export function rescheduleJob(twin: Twin, id: number, run_after: number, now: number): boolean {
  flush(twin)
  const job = twin.jobs.get(id)!
  const bundle = bundleOf(twin, job)
  const isFree = twin.places.has(id) ? !isLocked(twin, id, now) : bundle !== undefined && (twin.bundleLocks.get(bundle.last_id) ?? 0) <= now
  if (!isFree || (job.status !== 'queued' && job.status !== 'retried')) return false
  if (run_after !== job.run_after) followWaitingJob(twin, job, { ...job, run_after })
  return true
}

/** A hand that changes the priority of a waiting job by SQL. */
export function changePriority(twin: Twin, id: number, priority: number): void {
  flush(twin)
  const job = twin.jobs.get(id)!
  if (priority !== job.priority && WAITING.has(job.status)) followWaitingJob(twin, job, { ...job, priority })
}

/** The trigger of that name: the place that a job had becomes one of its own elsewhere; a leased job has none, and gets none. */
function followWaitingJob(twin: Twin, before: TwinJob, after: TwinJob): void {
  const hadPlace = twin.places.delete(before.id) || bundleOf(twin, before) !== undefined || twin.weakness === 'a hand gives leased jobs places'
  if (twin.weakness !== 'a job that is put off stays in its bundle') leaveBundle(twin, before)
  twin.jobs.set(after.id, after)
  if (hadPlace && (after.status === 'queued' || after.status === 'retried')) twin.places.set(after.id, { run_after: after.run_after, state: after.status })
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

/** How many leases there are on the job as it stands. */
export function leasesOf(twin: Twin, { id, version }: TwinJob): number {
  return [...twin.leases.values()].filter((lease) => lease.jobs.some((job) => job.id === id && job.version === version)).length
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

const LEASES_MAX = 20

/** recordLeases. */
export function recordLeases(twin: Twin, holder: LeaseHolder, now: number): { looked: number; left: boolean } {
  flush(twin)
  const meant = [...twin.leases.values()]
    .filter((lease) =>
      holder === 'ended'
        ? !lives(twin.workers.get(lease.worker)!)
        : lease.worker === holder.worker && lease.serial <= holder.up_to && !holder.except.includes(lease.serial),
    )
    .toSorted((one, other) => one.worker - other.worker || one.serial - other.serial)
    .slice(0, LEASES_MAX)
  let kept = 0
  for (const { worker, serial, jobs } of meant) {
    let hidden = false
    for (const { id, version } of jobs) {
      const job = twin.jobs.get(id)!
      if (job.version !== version || !WAITING.has(job.status)) continue
      if (isLocked(twin, id, now)) hidden = true
      else writeClaim(twin, job, worker)
    }
    if (hidden) kept += 1
    else twin.leases.delete(leaseKey(worker, serial))
  }
  return { looked: meant.length, left: (kept > 0 || meant.length === LEASES_MAX) && twin.weakness !== 'a hidden lease is forgotten' }
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

/**
 * recordMoves: each fenced by the version, the state and the holder on which was decided.
 *
 * @param hand 'before' for a process that knows no bundles: a job that it moves stays a member of its own
 * @returns the ids that were recorded
 */
export function recordMoves(twin: Twin, moves: readonly Move[], now: number, hand: 'present' | 'before' = 'present'): Set<number> {
  flush(twin)
  const recorded = new Set<number>()
  for (const move of moves.toSorted((one, other) => one.id - other.id)) {
    const job = twin.jobs.get(move.id)
    if (!job || job.version !== move.version || !isFenced(twin, job, move)) continue
    recorded.add(job.id)
    if (hand === 'present' && move.lease == null) leaveBundle(twin, job)
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
