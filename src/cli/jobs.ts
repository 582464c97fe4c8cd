import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { LIMITS, readConfig } from '#config.ts'
import type { JobFilter } from '#db/job-lists.ts'
import type { JobRow } from '#db/jobs.ts'
import type { JobType } from '#jobs/job-type.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { jobReplayCommand } from './job-replay.ts'
import { whole } from './numbers.ts'
import { examples, inWords, print, table } from './output.ts'

const JOB_STATES = ['queued', 'claimed', 'running', 'done', 'failed', 'retried', 'cancelled'] as const
const EVENTS_SHOWN_MAX = 1_000
const LIST_COLUMNS = ['id', 'job_type', 'queue', 'status', 'attempt', 'max_attempts', 'run_after', 'last_error']
const EVENT_COLUMNS = ['seq', 'event', 'from_state', 'to_state', 'attempt', 'worker', 'at']

interface ListOptions {
  status?: (typeof JOB_STATES)[number]
  type?: string
  queue?: string
  organization?: string
  text?: string
  before?: number
  limit: number
  json?: boolean
}

interface EnqueueOptions {
  payload: string
  organization?: string
  count: number
  priority?: number
  delayMs?: number
  uniqueKey?: string
  uniqueForMs?: number
  json?: boolean
}

const jobId = (): Argument => new Argument('<id>', "the job's number").argParser(whole(1))

export function jobsCommand(): Command {
  const command = new Command('jobs').description('look at jobs and move them, as the operator of this installation')
  command
    .command('list')
    .description('list jobs, the newest first')
    .addOption(new Option('--status <state>', 'only those in this state').choices(JOB_STATES))
    .option('--type <type>', 'only those of this type')
    .option('--queue <name>', 'only those of this queue')
    .option('--organization <slug>', 'only those of this organisation')
    .option('--text <text>', 'only those with this text in the payload or the last error')
    .option('--before <id>', 'only those older than this job', whole(1))
    .option('--limit <n>', 'how many', whole(1, LIMITS.PAGE_MAX), LIMITS.PAGE_DEFAULT)
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('jobs list --status failed', 'jobs list --type PROBE --limit 5 --json'))
    .action(list)
  command
    .command('show')
    .description('show a job with its whole log')
    .addArgument(jobId())
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples('jobs show 42'))
    .action(show)
  command
    .command('enqueue')
    .description('enqueue a job')
    .argument('<type>', 'its type, PROBE for instance')
    .option('--payload <json>', 'its payload', '{}')
    .option('--organization <slug>', 'the organisation to which it belongs')
    .option('--count <n>', 'how many of it', whole(1, LIMITS.ENQUEUE_COUNT_MAX), 1)
    .option('--priority <n>', 'from -100 to 100, the higher the sooner', whole(-100, 100))
    .option('--delay-ms <ms>', 'how long it waits at least', whole(0, LIMITS.DELAY_MAX_MS))
    .option('--unique-key <key>', 'while a job with this type and key lives, a second one is refused', uniqueKey)
    .option('--unique-for-ms <n>', 'keep the key for so long from now on, also when the job is done', whole(1, LIMITS.UNIQUE_FOR_MAX_MS))
    .option('--json', 'print the numbers as JSON')
    .addHelpText('after', examples('jobs enqueue PROBE', `jobs enqueue PROBE --payload '{"sleep_ms": 500}' --count 100`))
    .action(enqueue)
  for (const [verb, event, words] of [
    ['retry', 'REQUEUE', 'queue a finished job again'],
    ['cancel', 'CANCEL', 'cancel a job; a running handler is aborted first'],
  ] as const) {
    command
      .command(verb)
      .description(words)
      .addArgument(jobId())
      .option('--json', 'print what came of it as JSON')
      .addHelpText('after', examples(`jobs ${verb} 42`))
      .action((id: number, options: { json?: boolean }) => move(id, event, options))
  }
  command.addCommand(jobReplayCommand())
  command
    .command('recount')
    .description('compare the counts of jobs with a count of every job, and count anew')
    .option('--json', 'print what differed as JSON')
    .addHelpText('after', examples('jobs recount'))
    .action(recount)
  return command.addHelpText('after', examples('jobs list --status failed', 'jobs show 42', 'jobs retry 42'))
}

async function list(options: ListOptions): Promise<void> {
  const [{ planSearch, searchJobs }, { namedOrganization }] = await Promise.all([import('#db/job-search.ts'), import('./operator.ts')])
  const jobs = await withDatabase(readConfig(), async ({ system }) => {
    const filter: JobFilter = {
      status: options.status ?? null,
      job_type: options.type ?? null,
      queue: options.queue ?? null,
      organization_id: await namedOrganization(system, options.organization),
      locked_by: null,
      ticket_id: null,
      q: options.text ?? null,
      created_after: null,
      created_before: null,
    }
    const found: JobRow[] = []
    // Here it may take its time: it is looked for until the list is full, or to the end.
    for (let before = options.before ?? null, isOver = false; !isOver;) {
      const plan = await planSearch(system, filter, before)
      found.push(...(await searchJobs(system, filter, { plan, before, limit: options.limit - found.length })))
      before = plan?.rest ?? null
      isOver = before === null || found.length >= options.limit
    }
    return found
  })
  print(options.json, { items: jobs }, () => (jobs.length === 0 ? 'No such jobs.' : table(jobs, LIST_COLUMNS)))
}

async function show(id: number, { json }: { json?: boolean }): Promise<void> {
  const [{ findJob, listJobEvents }, { readJobWait }, { waitingBecause }, { eventsIn }] = await Promise.all([
    import('#db/job-lists.ts'),
    import('#db/job-waits.ts'),
    import('#http/waiting.ts'),
    import('#machines/job-step.ts'),
  ])
  const { job, events, wait } = await withDatabase(readConfig(), async ({ system }) => ({
    job: await findJob(system, id),
    events: await listJobEvents(system, id, { after: 0, limit: EVENTS_SHOWN_MAX }),
    wait: await system.transaction((tx) => readJobWait(tx, id)),
  }))
  if (!job) throw new Refusal(`There is no job ${id}.`)
  const reasons = wait ? waitingBecause(wait) : []
  const detail = { ...job, allowed_events: eventsIn(job.status), waiting_because: reasons }
  const lines = Object.entries({ ...detail, waiting_because: reasons.map((reason) => reason.detail) }).map(
    ([field, value]) => `${field.padEnd(20)}  ${inWords(value)}`,
  )
  print(json, { ...detail, events }, () => [...lines, '', table(events, EVENT_COLUMNS)].join('\n'))
}

async function enqueue(name: string, options: EnqueueOptions): Promise<void> {
  const [{ enqueueJobs }, { jobsWithKeys }, { notifyWorkers }, { jobTypes }, { newJob }, { auditMachineAct }, { actor, namedOrganization }] = await Promise.all(
    [
      import('#db/job-enqueue.ts'),
      import('#db/job-lists.ts'),
      import('#db/jobs.ts'),
      import('#jobs/registry.ts'),
      import('#jobs/job-type.ts'),
      import('#db/machine-audit.ts'),
      import('./operator.ts'),
    ],
  )
  const type = jobTypes.get(name)
  if (!type) throw new Refusal(`There is no job type ${name}. There are: ${[...jobTypes.keys()].join(', ')}.`)
  checkBelongs(type, options.organization)
  if (options.uniqueForMs !== undefined && options.uniqueKey === undefined) throw new Refusal('--unique-for-ms: goes with --unique-key.')
  if (options.uniqueKey !== undefined && options.count > 1) throw new Refusal('--count: must be 1 with --unique-key.')
  const payload = type.payload.safeParse(parseJson(options.payload))
  if (!payload.success) throw new Refusal(`--payload: ${payload.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`).join('; ')}`)
  if (Buffer.byteLength(JSON.stringify(payload.data)) > LIMITS.PAYLOAD_BYTES)
    throw new Refusal(`--payload: must have at most ${LIMITS.PAYLOAD_BYTES} bytes as JSON.`)
  const ids = await withDatabase(readConfig(), async ({ system }) => {
    const made = await system.transaction(async (tx) => {
      const organizationId = await namedOrganization(tx, options.organization)
      const job = newJob(type, organizationId, payload.data, {
        ...(options.priority === undefined ? {} : { priority: options.priority }),
        ...(options.delayMs === undefined ? {} : { delay_ms: options.delayMs }),
        ...(options.uniqueKey === undefined ? {} : { unique_key: options.uniqueKey }),
        ...(options.uniqueForMs === undefined ? {} : { unique_for_ms: options.uniqueForMs }),
      })
      const enqueued = (
        await enqueueJobs(
          tx,
          Array.from({ length: options.count }, () => job),
        )
      ).filter((id) => id !== null)
      if (enqueued.length === 0) throw new Refusal(keyIsTaken(await jobsWithKeys(tx, [job])))
      const act = { organization_id: organizationId, action: 'job.enqueue', entity_type: 'job', entity_id: String(enqueued[0]) }
      await auditMachineAct(tx, { ...act, details: { ...actor(), job_type: name, count: enqueued.length } })
      return enqueued
    })
    await notifyWorkers(system, JSON.stringify({ queues: [type.queue] }))
    return made
  })
  print(options.json, { ids }, () => `Enqueued ${ids.length}: ${ids.length > 5 ? `${ids[0]} to ${ids.at(-1)}` : ids.join(', ')}`)
}

function uniqueKey(text: string): string {
  if (text === '' || text.length > LIMITS.UNIQUE_KEY_CHARS) throw new InvalidArgumentError(`It must have 1 to ${LIMITS.UNIQUE_KEY_CHARS} characters.`)
  return text
}

/** A job that has lost the key meanwhile is named no more. */
function keyIsTaken([holder]: readonly number[]): string {
  const who = holder === undefined ? 'Another job' : `Job ${holder}`
  return `${who} has this key: it lives, or keeps the key for a period. See: atum-desk jobs show ${holder ?? 'ID'}`
}

function checkBelongs({ name, belongs_to }: JobType, organization: string | undefined): void {
  if (belongs_to === 'organization' && organization === undefined) throw new Refusal(`${name} belongs to an organisation: name it with --organization.`)
  if (belongs_to === 'installation' && organization !== undefined) throw new Refusal(`${name} belongs to the installation: leave --organization out.`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Refusal(`--payload is not JSON: ${(error as Error).message}`)
  }
}

async function move(id: number, event: 'REQUEUE' | 'CANCEL', { json }: { json?: boolean }): Promise<void> {
  const [{ moveJob }, { notifyWorkers }, { findJob }, { auditMachineAct }, { actor }] = await Promise.all([
    import('#db/job-moves.ts'),
    import('#db/jobs.ts'),
    import('#db/job-lists.ts'),
    import('#db/machine-audit.ts'),
    import('./operator.ts'),
  ])
  const answer = await withDatabase(readConfig(), async ({ system }) => {
    const { moved, queue } = await system.transaction(async (tx) => {
      const moved = await moveJob(tx, id, { type: event }, actor())
      const job = await findJob(tx, id)
      const act = {
        organization_id: job?.organization_id ?? null,
        action: event === 'CANCEL' ? 'job.cancel' : 'job.retry',
        entity_type: 'job',
        entity_id: String(id),
      }
      if (moved.kind === 'moved' || moved.kind === 'requested') await auditMachineAct(tx, { ...act, details: actor() })
      return { moved, queue: job?.queue }
    })
    if (moved.kind === 'requested') await notifyWorkers(system, JSON.stringify({ queues: [], cancel: [id] }))
    if (moved.kind === 'moved' && queue) await notifyWorkers(system, JSON.stringify({ queues: [queue] }))
    return moved
  })
  if (answer.kind === 'unknown') throw new Refusal(`There is no job ${id}.`)
  if (answer.kind === 'refused')
    throw new Refusal(`Job ${id} is ${answer.state}, where ${event} is not possible. Possible: ${answer.allowed_events.join(', ')}.`)
  if (answer.kind === 'key_taken')
    throw new Refusal(`Job ${answer.holder} lives and has the unique key of job ${id}, which can be queued again when that one has ended.`)
  const status = answer.kind === 'moved' ? answer.standing.state : null
  print(json, { id, outcome: answer.kind, status }, () => (status ? `Job ${id} is ${status}.` : `Job ${id} is held by a worker, which was asked to abort it.`))
}

/** The database keeps the counts itself: they differ only where somebody wrote behind its triggers. */
async function recount({ json }: { json?: boolean }): Promise<void> {
  const { compareJobCounts, forgetJobCounts } = await import('#db/job-counts.ts')
  const differences = await withDatabase(readConfig(), async ({ system }) => {
    const found = await compareJobCounts(system)
    await system.transaction(forgetJobCounts)
    return found
  })
  print(json, { differences }, () =>
    differences.length === 0 ? 'The counts were right.' : table(differences, ['job_type', 'queue', 'status', 'kept', 'counted']),
  )
}
