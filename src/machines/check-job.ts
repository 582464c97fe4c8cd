import type { Fault } from './check.ts'
import type { JobEvent } from './job.ts'
import type { JobStanding } from './job-step.ts'

/** The step function that is checked: the real one, or a test's broken one. */
export type JobStep = (job: JobStanding, event: JobEvent) => JobStanding | null

const MAX_ATTEMPTS = [1, 2, 3] as const
/** A sound machine has some two hundred standings; one that never comes to an end of them is at fault itself. */
const STANDINGS_MAX = 5_000
/** In these a worker holds the job. */
const HELD: ReadonlySet<string> = new Set(['claimed', 'running'])
const ENDED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])
/** A held job can be taken from its worker, given back by it, and cancelled. */
const HELD_ANSWERS = ['LOSE', 'RELEASE', 'CANCEL'] as const
const OPERATORS: ReadonlySet<string> = new Set(['CANCEL', 'REQUEUE'])
/** A job to which only this happens has no luck, and must come to `failed`. */
const BAD_LUCK: ReadonlySet<string> = new Set(['CLAIM', 'START', 'FAIL', 'TIMEOUT', 'LOSE'])
const FAILURES: ReadonlySet<string> = new Set(['FAIL', 'TIMEOUT', 'LOSE'])

const fault = { class: 'Error', message: 'as the check wants' }
const DELAY_MS = 1_000
/** One of each event for every way in which a guard or an action may take it. */
const EVENTS: readonly JobEvent[] = [
  { type: 'CLAIM', worker: 1, waited_ms: 0 },
  { type: 'CLAIM', worker: 2, waited_ms: DELAY_MS },
  { type: 'START' },
  { type: 'SUCCEED' },
  { type: 'FAIL', fault, permanent: false, backoff_ms: DELAY_MS },
  { type: 'FAIL', fault, permanent: true, backoff_ms: DELAY_MS },
  { type: 'TIMEOUT', fault, backoff_ms: DELAY_MS },
  { type: 'LOSE', fault, backoff_ms: DELAY_MS },
  { type: 'RELEASE' },
  { type: 'SNOOZE', delay_ms: DELAY_MS },
  { type: 'CANCEL' },
  { type: 'REQUEUE' },
]

/** A standing that can be reached, the shortest way to it, and where it leads. */
interface Node {
  job: JobStanding
  path: readonly string[]
  next: { event: JobEvent; to: Node }[]
}

/** Walks the job machine with its context, by its step function, through every standing of up to three attempts. */
export function checkJob(step: JobStep): { faults: Fault[]; standings: number } {
  const faults: Fault[] = []
  let standings = 0
  for (const max_attempts of MAX_ATTEMPTS) {
    const nodes = explore(step, max_attempts, faults)
    standings += nodes.length
    faults.push(...nodes.flatMap(checkStanding), ...endless(nodes), ...unbounded(nodes))
  }
  return { faults: faults.toSorted((one, other) => one.path.length - other.path.length), standings }
}

function explore(step: JobStep, max_attempts: number, faults: Fault[]): Node[] {
  const born: JobStanding = { state: 'queued', context: { attempt: 0, max_attempts, delay_ms: 0, worker: null, last_error: null } }
  const first: Node = { job: born, path: ['ENQUEUE'], next: [] }
  const nodes = new Map([[keyOf(born), first]])
  for (const node of nodes.values()) {
    if (nodes.size > STANDINGS_MAX) {
      faults.push(faultAt(node, 'the standings are finite', `there are more than ${STANDINGS_MAX} standings`))
      break
    }
    // Beyond a broken bound there is no end: it is a fault already, and nothing that follows adds to it.
    if (isBeyond(node.job)) continue
    for (const event of EVENTS) {
      const job = step(node.job, event)
      if (!job) continue
      const to = nodes.get(keyOf(job)) ?? { job, path: [...node.path, event.type], next: [] }
      nodes.set(keyOf(job), to)
      node.next.push({ event, to })
    }
  }
  return [...nodes.values()]
}

const keyOf = ({ state, context }: JobStanding): string => `${state} ${JSON.stringify(context)}`
const isBeyond = ({ context: { attempt, max_attempts } }: JobStanding): boolean => attempt < 0 || attempt > max_attempts

function faultAt({ job: { state, context }, path }: Node, rule: string, what: string): Fault {
  return { machine: 'job', rule, path, reaches: `${state} (attempt ${context.attempt} of ${context.max_attempts})`, what }
}

function checkStanding(node: Node): Fault[] {
  const { state, context } = node.job
  const faults: Fault[] = []
  if (isBeyond(node.job)) return [faultAt(node, 'attempts are bounded', `attempt ${context.attempt} is not between 0 and ${context.max_attempts}`)]
  if (HELD.has(state)) {
    for (const event of HELD_ANSWERS) {
      if (!node.next.some((step) => step.event.type === event)) faults.push(faultAt(node, 'held jobs can be taken, given back and cancelled', `no ${event}`))
    }
    if (context.worker === null) faults.push(faultAt(node, 'held jobs have a holder', 'no worker holds it'))
  } else if (context.worker !== null) faults.push(faultAt(node, 'only held jobs have a holder', `worker ${context.worker} still holds it`))
  return faults
}

/** Live standings from which no end is reached unless an operator helps. What lies beyond a broken bound is a fault already. */
function endless(nodes: readonly Node[]): Fault[] {
  const saved = new Set(nodes.filter(({ job }) => ENDED.has(job.state) || isBeyond(job)))
  for (let before = -1; before !== saved.size;) {
    before = saved.size
    for (const node of nodes) if (node.next.some(({ event, to }) => !OPERATORS.has(event.type) && saved.has(to))) saved.add(node)
  }
  return nodes
    .filter((node) => !saved.has(node))
    .map((node) => faultAt(node, 'live jobs end by themselves', 'no order of events leads to an end without an operator'))
}

/** Live standings that can fail for ever: a circle of claims and failures, or more failures than attempts. */
function unbounded(nodes: readonly Node[]): Fault[] {
  const most = new Map<Node, number>()
  const onWay = new Set<Node>()
  const faults: Fault[] = []
  const failuresFrom = (node: Node): number => {
    const known = most.get(node)
    if (known !== undefined) return known
    if (onWay.has(node)) return Number.POSITIVE_INFINITY
    onWay.add(node)
    let count = 0
    for (const { event, to } of node.next) {
      if (BAD_LUCK.has(event.type)) count = Math.max(count, failuresFrom(to) + (FAILURES.has(event.type) ? 1 : 0))
    }
    onWay.delete(node)
    most.set(node, count)
    return count
  }
  for (const node of nodes) {
    if (ENDED.has(node.job.state) || failuresFrom(node) <= node.job.context.max_attempts) continue
    faults.push(faultAt(node, 'failures are bounded', `it may fail ${failuresFrom(node)} times before it is failed`))
  }
  return faults.slice(0, 1)
}
