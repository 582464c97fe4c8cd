import { Command } from 'commander'
import { readConfig } from '#config.ts'
import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import { requireOwnerUrl } from './connection.ts'
import { apiAddress, checkApi, checkRoutes } from './doctor-api.ts'
import { explain } from './failure.ts'
import { examples, print } from './output.ts'

const VERSIONS = { oldest: 15, newest: 18 }
const PARTITION_DAYS_MIN = 3
const OLDEST_DUE_MAX_S = 300
const CLOCK_SKEW_MAX_MS = 2_000
const VIOLATIONS_SHOWN_MAX = 1_000
const VIOLATIONS_TIMEOUT_MS = 60_000

/** One thing that was looked at. */
interface Finding {
  check: string
  ok: boolean
  detail: string
}

type Check = (database: Database, ownerUrl: string, config: Config, url: string | undefined) => Promise<Omit<Finding, 'check'>>

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('examine a running installation; exit code 1 where something is wrong')
    .option('--url <url>', 'where the API answers, if not at HOST and PORT')
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', examples('doctor', 'doctor --url http://127.0.0.1:9000 --json'))
    .action(doctor)
}

async function doctor({ json, url }: { json?: boolean; url?: string }): Promise<void> {
  const findings = await examine(readConfig(), url)
  const healthy = findings.every((finding) => finding.ok)
  print(json, { healthy, findings }, () => findings.map(({ check, ok, detail }) => `${ok ? 'ok   ' : 'WRONG'}  ${check}: ${detail}`).join('\n'))
  if (!healthy) process.exitCode = 1
}

async function examine(config: Config, url: string | undefined): Promise<Finding[]> {
  const [{ openDatabase }, { serviceUrls }] = await Promise.all([import('#db/pool.ts'), import('#db/logins.ts')])
  let ownerUrl: string
  let database: Database
  try {
    ownerUrl = await requireOwnerUrl(config)
    database = await openDatabase(serviceUrls(ownerUrl), { size: 2, name: 'atum-desk doctor' })
  } catch (error) {
    return [{ check: 'database', ok: false, detail: explain(error) }]
  }
  try {
    const reached = await look('database', version, database, ownerUrl, config, url)
    if (!reached.ok) return [reached]
    const findings = [reached]
    for (const [name, check] of Object.entries(CHECKS)) findings.push(await look(name, check, database, ownerUrl, config, url))
    return findings
  } finally {
    await database.end()
  }
}

async function look(name: string, check: Check, ...facts: Parameters<Check>): Promise<Finding> {
  try {
    return { check: name, ...(await check(...facts)) }
  } catch (error) {
    return { check: name, ok: false, detail: explain(error).split('\n')[0]! }
  }
}

const statements = () => import('#db/doctor.ts')

const version: Check = async ({ system }) => {
  const { version, version_text } = await (await statements()).serverFacts(system)
  const major = Math.floor(version / 10_000)
  const supported = major >= VERSIONS.oldest && major <= VERSIONS.newest
  return { ok: supported, detail: `PostgreSQL ${version_text}${supported ? '' : `; supported are ${VERSIONS.oldest} to ${VERSIONS.newest}`}` }
}

const CHECKS: Record<string, Check> = {
  clock: async ({ system }) => {
    const { serverFacts } = await statements()
    const before = Date.now()
    const { now } = await serverFacts(system)
    const took = Date.now() - before
    const skew = Math.round(now.getTime() - before - took / 2)
    // It is no better known than half of the round trip.
    return { ok: Math.abs(skew) - took / 2 <= CLOCK_SKEW_MAX_MS, detail: `the database is ${Math.abs(skew)} ms ${skew < 0 ? 'behind' : 'ahead'}` }
  },
  migrations: async (_database, ownerUrl) => {
    const missing = (await (await import('#db/migrations.ts')).migrationStates(ownerUrl)).filter((state) => !state.applied_at)
    return {
      ok: missing.length === 0,
      detail: missing.length === 0 ? 'all applied' : `missing: ${missing.map((state) => state.name).join(', ')}. Run: atum-desk migrate up`,
    }
  },
  roles: async ({ app, system }) => {
    const { roleFacts } = await statements()
    const roles = await Promise.all([roleFacts(app), roleFacts(system)])
    const tooMighty = roles.filter((role) => role.is_superuser || role.bypasses_rls || role.owned_tables > 0)
    const why = tooMighty.map(
      (role) => `${role.role} ${role.is_superuser ? 'is a superuser' : role.bypasses_rls ? 'bypasses row-level security' : `owns ${role.owned_tables} tables`}`,
    )
    return { ok: why.length === 0, detail: why.join('; ') || `${roles.map((role) => role.role).join(' and ')} own nothing and are no superusers` }
  },
  row_level_security: async ({ system }) => {
    const open = await (await statements()).unguardedTables(system)
    return { ok: open.length === 0, detail: open.length === 0 ? 'on for every table with an organisation' : `off for ${open.join(', ')}` }
  },
  embeddings: async ({ system }) => {
    const { hasEndpoint, readEmbeddingsConfig } = await import('#ai/embeddings-config.ts')
    const { embeddingsFault, readEmbeddingsStanding } = await import('#db/embeddings.ts')
    const config = readEmbeddingsConfig()
    if (!hasEndpoint(config)) return { ok: true, detail: 'no embedding model is set (EMBEDDINGS_URL): articles are searched by their words' }
    const fault = embeddingsFault(await readEmbeddingsStanding(system), config.EMBEDDINGS_DIMENSIONS)
    return { ok: fault === null, detail: fault ?? `${config.EMBEDDINGS_MODEL}, vectors of ${config.EMBEDDINGS_DIMENSIONS} numbers` }
  },
  partitions: async ({ system }) => {
    const days = await (await statements()).partitionDaysAhead(system)
    return { ok: days >= PARTITION_DAYS_MIN, detail: `job_events has partitions for ${days} days ahead; at least ${PARTITION_DAYS_MIN} are wanted` }
  },
  job_log: async ({ system }) => {
    const { countViolations, limitStatements } = await statements()
    const count = await system.transaction(async (tx) => {
      await limitStatements(tx, VIOLATIONS_TIMEOUT_MS)
      return countViolations(tx, VIOLATIONS_SHOWN_MAX)
    })
    return { ok: count === 0, detail: count === 0 ? 'keeps all rules of the machine' : `${count} rows in job_log_violations` }
  },
  workers: async ({ system }, _ownerUrl, config) => {
    const count = await (await import('#db/health.ts')).countWorkersAlive(system, config.WORKER_LOST_MS)
    return { ok: count > 0, detail: count > 0 ? `${count} alive` : 'none alive. Run: atum-desk work' }
  },
  oldest_due_job: async ({ system }) => {
    const queues = await (await import('#db/job-lists.ts')).oldestDue(system)
    const oldest = queues.toSorted((a, b) => b.seconds - a.seconds)[0]
    return {
      ok: (oldest?.seconds ?? 0) <= OLDEST_DUE_MAX_S,
      detail: oldest ? `due for ${oldest.seconds.toFixed(1)} s in the queue ${oldest.queue}` : 'none is due',
    }
  },
  indexes: async ({ system }) => {
    const invalid = await (await statements()).invalidIndexes(system)
    return {
      ok: invalid.length === 0,
      detail: invalid.length === 0 ? 'all are valid' : `left by a broken-off build: ${invalid.join(', ')}. Drop them, and migrate up`,
    }
  },
  api: async (database, _ownerUrl, config, url) => checkApi(database, url ?? apiAddress(config), url !== undefined),
  routes: async (database, _ownerUrl, config, url) => {
    const address = url ?? apiAddress(config)
    const answers = await fetch(`${address}/livez`).then(
      ({ ok }) => ok,
      () => false,
    )
    return answers || url ? checkRoutes(database, config, address) : { ok: true, detail: `not tried: there is none at ${address}` }
  },
}
