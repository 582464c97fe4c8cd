import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Command } from 'commander'
import { readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { readLlmConfig } from '#ai/llm-config.ts'
import { readConfig } from '#config.ts'
import type { Config } from '#config.ts'
import { readDeliveryConfig } from '#jobs/delivery-config.ts'
import { VERSION } from '#version.ts'
import { readDemo } from './data-files.ts'
import type { DemoSignIns } from './data-files.ts'
import { Refusal } from './failure.ts'
import { checkPort } from './listen.ts'
import { takeLock } from './lock.ts'
import { examples, sayer } from './output.ts'
import { listenForStop, whenAborted } from './stop.ts'
import type { StopWish } from './stop.ts'
import { WorkerProcess } from './worker-process.ts'

const HEALTHY_WITHIN_MS = 60_000
const COMPLETE_WITHIN_MS = 10_000
const SETTINGS_HELP = `
Settings are environment variables:
  PORT, HOST      where the API and the console listen (8000 on 127.0.0.1)
  ATUM_DATA_DIR   where the data lies (.atum-desk)
  DATABASE_URL    a PostgreSQL 15 to 18 of yours; then no embedded one is started
  DRAIN_MS        how long running jobs may take to finish at the end (10000)
  LOG_LEVEL       what the log on standard error tells (warn)`

export function upCommand(): Command {
  return new Command('up')
    .description('start everything: PostgreSQL (unless DATABASE_URL is set), the API with the console, and one worker')
    .option('--json', 'print one JSON object when ready; what happens goes to standard error')
    .addHelpText('after', `${SETTINGS_HELP}\n${examples('up', 'up --json', 'PORT=9000 ATUM_DATA_DIR=/srv/desk atum-desk up')}`)
    .action(up)
}

async function up({ json }: { json?: boolean }): Promise<void> {
  const began = performance.now()
  const config = readConfig({ LOG_LEVEL: 'warn', ...process.env })
  // Its worker would not start with a wrong setting.
  readLlmConfig()
  readEmbeddingsConfig()
  readDeliveryConfig()
  const say = sayer(json)
  say(`ATUM DESK ${VERSION}`)
  const stop = listenForStop()
  const running = new AsyncDisposableStack()
  try {
    const desk = await startAll({ config, say, stop, running })
    announce({ ...desk, seconds: (performance.now() - began) / 1000, config, json })
    await whenAborted(stop.asked)
  } catch (error) {
    if (!stop.asked.aborted) throw error
  } finally {
    if (typeof stop.asked.reason === 'string') say(`Stopping (${stop.asked.reason}). A second Ctrl-C hurries.`)
    await running.disposeAsync()
  }
  if (stop.asked.reason instanceof Error) throw stop.asked.reason
  say('Stopped.')
  process.exit(stop.hurried.aborted ? 130 : 0)
}

interface Start {
  config: Config
  say: (line: string) => void
  stop: StopWish
  /** What has been started, to be stopped in the opposite order. */
  running: AsyncDisposableStack
}

interface Desk {
  url: string
  demo: DemoSignIns | null
  workerPid: number | undefined
  postgresPid: number | undefined
}

/** Starts one after the other, and loads the API's code and bundles the console while PostgreSQL starts. */
async function startAll({ config, say, stop, running }: Start): Promise<Desk> {
  const lock = await takeLock(config.ATUM_DATA_DIR, say)
  running.defer(() => lock.release())
  await checkPort(config)
  stop.asked.addEventListener('abort', () => void lock.announceStop().catch(() => {}))
  const code = Promise.all([import('./api.ts'), import('./prepare.ts'), import('./console.ts').then(({ ensureConsole }) => ensureConsole(say))])
  code.catch(() => {})

  const { ownerUrl, postgresPid } = await startDatabase({ config, say, stop, running })
  stop.asked.throwIfAborted()
  const [{ startApi }, { prepareDatabase, ensureDemo }] = await code
  await prepareDatabase(ownerUrl, say)
  stop.asked.throwIfAborted()

  // Its worker would end at once, and be started again and again.
  ;(await import('#jobs/registry.ts')).queuesOf(config)
  // Made before the API, so that the API closes first and the worker drains next.
  const worker = new WorkerProcess({
    variables: { ...process.env, LOG_LEVEL: config.LOG_LEVEL, DATABASE_URL: ownerUrl },
    drainMs: config.DRAIN_MS,
    say,
    onGone: (error) => stop.ask(error),
  })
  running.defer(() => worker.stop(stop.hurried))
  // One that exports its own metrics is scraped there, and not counted twice.
  if (config.WORKER_METRICS_PORT === 0) (await import('#process-counts.ts')).scrapeWith(() => worker.counts())
  const api = await startApi(config, ownerUrl)
  running.defer(() => Promise.race([api.close(), whenAborted(stop.hurried)]))
  const demo = (await ensureDemo(api.database, config.ATUM_DATA_DIR, say)) ?? (await readDemo(config.ATUM_DATA_DIR))
  await healthy(api.url, stop.asked)
  return { url: api.url, demo, workerPid: worker.pid, postgresPid: postgresPid?.() }
}

async function startDatabase({ config, say, stop, running }: Start): Promise<{ ownerUrl: string; postgresPid?: () => number | undefined }> {
  if (config.DATABASE_URL) {
    say(`Using the database ${new URL(config.DATABASE_URL).host}${new URL(config.DATABASE_URL).pathname}.`)
    return { ownerUrl: config.DATABASE_URL }
  }
  const { startEmbeddedPostgres } = await import('#db/embedded.ts')
  say(`Starting PostgreSQL on ${config.ATUM_DATA_DIR}.`)
  const server = await startEmbeddedPostgres({ directory: config.ATUM_DATA_DIR, say, onGone: (error) => stop.ask(error) })
  running.defer(() => server.stop(stop.hurried.aborted ? 'immediate' : 'fast'))
  stop.hurried.addEventListener('abort', () => void server.stop('immediate'))
  return { ownerUrl: server.url, postgresPid: () => server.pid() }
}

/**
 * Waits until the service calls itself healthy, asked the way that a load balancer asks it, and complete: it serves
 * without a worker as well, but is not what was to be started. A worker that takes too long is not waited for.
 */
async function healthy(url: string, asked: AbortSignal): Promise<void> {
  const until = Date.now() + HEALTHY_WITHIN_MS
  const complete = Date.now() + COMPLETE_WITHIN_MS
  let last = ''
  while (Date.now() < until) {
    asked.throwIfAborted()
    try {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })
      last = `${answer.status} ${await answer.text()}`
      if (answer.ok && (!last.includes('"degraded"') || Date.now() > complete)) return
    } catch (error) {
      last = (error as Error).message
    }
    await pause(25)
  }
  throw new Refusal(`The service did not become healthy within ${HEALTHY_WITHIN_MS / 1000} s. It says: ${last}`)
}

function announce({ url, demo, workerPid, postgresPid, seconds, config, json }: Desk & { seconds: number; config: Config; json: boolean | undefined }): void {
  const facts = {
    ready: true,
    url,
    console: `${url}/console`,
    docs: `${url}/docs`,
    data_directory: config.ATUM_DATA_DIR,
    seconds: Number(seconds.toFixed(2)),
    pid: process.pid,
    worker_pid: workerPid ?? null,
    postgres_pid: postgresPid ?? null,
    demo_file: demo ? join(config.ATUM_DATA_DIR, 'demo.json') : null,
  }
  if (json) return void process.stdout.write(`${JSON.stringify(facts)}\n`)
  const width = Math.max(0, ...(demo ? [demo.operator, ...demo.users] : []).map((user) => user.email.length))
  const signIn = (role: string, { email, password }: { email: string; password: string }): string => `  ${role.padEnd(14)}  ${email.padEnd(width)}  ${password}`
  const lines = [
    '',
    `ATUM DESK is ready (${facts.seconds} s).`,
    `  Console  ${facts.console}`,
    `  API      ${facts.docs}`,
    '',
    ...(demo
      ? [
          `Demo sign-ins, organisation "${demo.organization}" (kept in ${facts.demo_file}):`,
          ...demo.users.map((user) => signIn(user.role, user)),
          signIn('operator', demo.operator),
        ]
      : ['No demo sign-ins are kept here. Make an account with: atum-desk admin create --help']),
    '',
    'Stop with Ctrl-C.',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
