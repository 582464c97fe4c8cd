import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { readConfig } from '#config.ts'
import { readDemo } from './data-files.ts'
import type { Credentials, DeskClient } from './desk-client.ts'
import { Refusal } from './failure.ts'
import { whole } from './numbers.ts'
import { examples, print, sayer } from './output.ts'
import { progress } from './progress.ts'
import type { Progress } from './progress.ts'
import type { SeedRow } from './seed-rows.ts'

const IN_FLIGHT_DEFAULT = 8
const IN_FLIGHT_MAX = 64
const FAILURES_SHOWN = 5
const STATE_EVERY_ROWS = 100

interface SeedOptions {
  from?: string
  limit?: number
  url: string
  email?: string
  password?: string
  organization?: string
  concurrency: number
  labelAsTag?: boolean
  state?: string
  json?: boolean
}

export function seedCommand(): Command {
  return new Command('seed')
    .description('post the rows of a CSV file as tickets, each once however often it is run; without --from: make the demo organisation')
    .option('--from <file>', 'CSV with the columns text and label, .csv or .csv.gz')
    .option('--limit <n>', 'the first n rows only', whole(1))
    .option('--url <url>', 'where the service listens', 'http://127.0.0.1:8000')
    .option('--email <email>', 'who posts the tickets (default: the demo agent of demo.json)')
    .option('--password <password>', 'the password of --email')
    .option('--organization <slug>', 'the organisation of --email, where the address is known in several')
    .option('--concurrency <n>', 'requests in flight', whole(1, IN_FLIGHT_MAX), IN_FLIGHT_DEFAULT)
    .option('--label-as-tag', "make the row's label a tag of the ticket; otherwise the label is left out")
    .option('--state <file>', 'keep how far it came, so that a further run skips those rows without asking the service')
    .option('--json', 'print the counts as JSON')
    .addHelpText(
      'after',
      examples('seed', 'seed --from tickets.csv.gz --limit 1000', 'seed --from tickets.csv --url http://desk:8000 --email agent@example.com --password ...'),
    )
    .action(seed)
}

async function seed(options: SeedOptions): Promise<void> {
  if (!options.from) return seedDemoOrganization(options)
  if (!existsSync(options.from)) throw new Refusal(`There is no file ${options.from}.`)
  const credentials = await credentialsOf(options)
  const [{ surveyFile, seedRows }, { DeskClient }] = await Promise.all([import('./seed-rows.ts'), import('./desk-client.ts')])
  const client = new DeskClient(options.url, credentials)
  await client.signIn()
  const began = performance.now()
  const { sha256, rows } = await surveyFile(options.from)
  const total = Math.min(rows, options.limit ?? rows)
  const state = await SeedState.open(options.state, sha256)
  const bar = await progress('Tickets', total, !options.json)
  const seeding = new Seeding(client, sha256, state, bar, options.labelAsTag === true)
  try {
    await seeding.run(seedRows(options.from), total, options.concurrency)
  } finally {
    bar.end()
    await state.keep()
  }
  report(seeding, { rows: total, seconds: (performance.now() - began) / 1000, json: options.json })
}

async function seedDemoOrganization({ json }: SeedOptions): Promise<void> {
  const config = readConfig()
  const [{ withDatabase }, { ensureDemo }] = await Promise.all([import('./connection.ts'), import('./prepare.ts')])
  const made = await withDatabase(config, (database) => ensureDemo(database, config.ATUM_DATA_DIR, sayer(true)))
  const demo = made ?? (await readDemo(config.ATUM_DATA_DIR))
  print(json, { made: made !== null, demo }, () =>
    made ? 'The demo organisation is there; its sign-ins are in demo.json.' : 'There is an organisation already; nothing was made.',
  )
}

async function credentialsOf({ email, password, organization }: SeedOptions): Promise<Credentials> {
  if (email && password) return { email, password, organization }
  if (email || password) throw new Refusal('--email and --password belong together.')
  const directory = readConfig().ATUM_DATA_DIR
  const demo = await readDemo(directory)
  const user = ['agent', 'admin'].map((role) => demo?.users.find((candidate) => candidate.role === role)).find(Boolean)
  if (!user || !demo)
    throw new Refusal(`There are no demo sign-ins in ${directory}. Give --email and --password, or set ATUM_DATA_DIR to the service's data directory.`)
  return { email: user.email, password: user.password, organization: demo.organization }
}

/** One run over a file's rows: several in flight, each with a key that makes a repetition harmless. */
class Seeding {
  created = 0
  already_there = 0
  failed = 0
  readonly failures: string[] = []
  readonly #client: DeskClient
  readonly #sha256: string
  readonly #state: SeedState
  readonly #bar: Progress
  readonly #tagged: boolean

  constructor(client: DeskClient, sha256: string, state: SeedState, bar: Progress, tagged: boolean) {
    this.#client = client
    this.#sha256 = sha256
    this.#state = state
    this.#bar = bar
    this.#tagged = tagged
  }

  async run(rows: AsyncGenerator<SeedRow>, total: number, lanes: number): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let next = await rows.next(); !next.done && next.value.number <= total; next = await rows.next()) {
        await this.#row(next.value)
        this.#bar.add(1)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    await rows.return(undefined)
  }

  async #row(row: SeedRow): Promise<void> {
    if (this.#state.has(row.number)) {
      this.already_there += 1
      return
    }
    const fault = await this.#post(row)
    if (fault === null) return this.#state.add(row.number)
    this.failed += 1
    if (this.failures.length < FAILURES_SHOWN) this.failures.push(`row ${row.number}: ${fault}`)
  }

  /** @returns what went wrong, null where the ticket is there */
  async #post({ number, text, label }: SeedRow): Promise<string | null> {
    if (text === '') return 'its text is empty'
    const [{ problemOf }, { subjectOf }] = await Promise.all([import('./desk-client.ts'), import('./seed-rows.ts')])
    const ticket = { subject: subjectOf(text), description: text, ...(this.#tagged && label ? { tags: [label] } : {}) }
    const answer = await this.#client.post('/tickets', ticket, `seed-${this.#sha256.slice(0, 40)}-${this.#tagged ? 'tagged-' : ''}${number}`)
    if (answer.status !== 201 && answer.status !== 200) return problemOf(answer)
    if (answer.headers.get('idempotent-replayed') === 'true') this.already_there += 1
    else this.created += 1
    return null
  }
}

function report(seeding: Seeding, { rows, seconds, json }: { rows: number; seconds: number; json: boolean | undefined }): void {
  const { created, already_there, failed, failures } = seeding
  const facts = { rows, created, already_there, failed, seconds: Number(seconds.toFixed(2)) }
  print(json, { ...facts, failures }, () =>
    [`${rows} rows in ${facts.seconds} s: ${created} created, ${already_there} already there, ${failed} failed.`, ...failures.map((line) => `  ${line}`)].join(
      '\n',
    ),
  )
  if (failed > 0) process.exitCode = 1
}

const stateFile = z.object({ sha256: z.string(), done_through: z.int().min(0) })

/** How far a file came: all rows up to `done_through` are there. A file with other content begins anew. */
class SeedState {
  readonly #file: string | undefined
  readonly #sha256: string
  #through: number
  readonly #beyond = new Set<number>()
  #unsaved = 0
  #saving: Promise<void> = Promise.resolve()

  private constructor(file: string | undefined, sha256: string, through: number) {
    this.#file = file
    this.#sha256 = sha256
    this.#through = through
  }

  static async open(file: string | undefined, sha256: string): Promise<SeedState> {
    if (!file || !existsSync(file)) return new SeedState(file, sha256, 0)
    const parsed = stateFile.safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => '{}')))
    if (!parsed.success) throw new Refusal(`${file} is not a state that seed has kept. Delete it, or name another file.`)
    return new SeedState(file, sha256, parsed.data.sha256 === sha256 ? parsed.data.done_through : 0)
  }

  has(row: number): boolean {
    return row <= this.#through
  }

  add(row: number): void {
    this.#beyond.add(row)
    while (this.#beyond.delete(this.#through + 1)) this.#through += 1
    this.#unsaved += 1
    if (this.#unsaved >= STATE_EVERY_ROWS) {
      this.#unsaved = 0
      this.#saving = this.#saving.then(() => this.#write())
    }
  }

  async keep(): Promise<void> {
    await this.#saving
    await this.#write()
  }

  async #write(): Promise<void> {
    if (!this.#file) return
    await writeFile(`${this.#file}.new`, JSON.stringify({ sha256: this.#sha256, done_through: this.#through }))
    await rename(`${this.#file}.new`, this.#file)
  }
}
