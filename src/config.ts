import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { z } from 'zod'

/** Seconds, bytes and counts that no request, job or row may exceed; one place, so that each can be found and argued about. */
export const LIMITS = {
  BODY_BYTES: 1_048_576,
  SUBJECT_CHARS: 500,
  DESCRIPTION_CHARS: 100_000,
  PAYLOAD_BYTES: 65_536,
  ATTACHMENT_BYTES: 26_214_400,
  ATTACHMENTS_PER_TICKET: 100,
  PAGE_DEFAULT: 50,
  PAGE_MAX: 200,
  ENQUEUE_COUNT_MAX: 10_000,
  /** How far ahead a job may be due as it is enqueued: 366 days. */
  DELAY_MAX_MS: 31_622_400_000,
  UNIQUE_KEY_CHARS: 200,
  /** How long a unique key may stay taken after the ENQUEUE of its job: 31 days. */
  UNIQUE_FOR_MAX_MS: 2_678_400_000,
  QUEUE_CONCURRENCY_MAX: 10_000,
  QUEUE_RATE_MAX: 1_000_000,
  QUEUE_RATE_PERIOD_MAX_SECONDS: 86_400,
  QUEUE_DEPTH_MAX: 100_000_000,
  /** A migration waits so long for a lock, and with it everybody who wants the table meanwhile; then it lets them pass. */
  LOCK_TIMEOUT_MS: 2_000,
  /** Requests of one user (of one address, before sign-in). */
  RATE_PER_MINUTE: 6_000,
  /** Failed sign-ins within a window; further attempts are then refused, right or wrong. */
  SIGN_IN_WINDOW_SECONDS: 15 * 60,
  SIGN_IN_FAILURES_PER_PAIR: 10,
  SIGN_IN_FAILURES_PER_ACCOUNT: 50,
  SIGN_IN_FAILURES_PER_ADDRESS: 300,
  /** Mails that anybody may ask for without signing in, by receiver and by who asks. */
  MAIL_WINDOW_SECONDS: 3_600,
  MAILS_PER_RECEIVER: 5,
  MAILS_PER_ADDRESS: 100,
  API_TOKENS_PER_USER: 100,
  JOB_VIEWS_PER_USER: 100,
} as const

/** What people leave in example files, and what nobody chose by chance. */
const PLACEHOLDER = /change.?(me|this)|example|default|placeholder|your.?secret|replace.?(me|this)|insert.?here|password|0123456789|abcdefgh/i
const DISTINCT_CHARS_MIN = 10

/** A secret that somebody made by chance: long enough, and no example's. */
const secret = (minChars: number) =>
  z
    .string()
    .min(minChars, `must have at least ${minChars} characters`)
    .refine((text) => new Set(text).size >= DISTINCT_CHARS_MIN, 'is too easily guessed: make one with openssl rand -base64 48')
    .refine((text) => !PLACEHOLDER.test(text), 'looks like an example: make one with openssl rand -base64 48')

const port = z.coerce.number().int().min(0).max(65_535)
const milliseconds = (fallback: number, min: number, max: number) => z.coerce.number().int().min(min).max(max).default(fallback)
/** An address, with or without the length of its network's prefix. */
function isNetwork(text: string): boolean {
  const [address, prefix, ...more] = text.split('/')
  const family = isIP(address!)
  return (
    family !== 0 &&
    more.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= (family === 4 ? 32 : 128)))
  )
}

const url = z.string().regex(/^postgres(ql)?:\/\//, 'must begin with postgres:// or postgresql://')

const environment = z.object({
  ATUM_DATA_DIR: z
    .string()
    .min(1)
    .default('.atum-desk')
    .transform((path) => resolve(path)),
  /** Where attachments lie, for several machines on a file system that they share; `attachments` in the data directory where absent. */
  ATTACHMENTS_DIR: z
    .string()
    .min(1)
    .transform((path) => resolve(path))
    .optional(),
  DATABASE_URL: url.optional(),
  /** The same database, reached without a pooler, for LISTEN. Polling serves where it is absent and the pooler forwards no notifications. */
  DATABASE_DIRECT_URL: url.optional(),
  /** How long `serve` and `work` wait at their start for a database that is away; then they end with 1, to be started again. */
  DATABASE_WAIT_MS: milliseconds(600_000, 0, 86_400_000),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(8000),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Signs access tokens; made and kept in the data directory where absent. */
  ATUM_SECRET: secret(32).optional(),
  METRICS_TOKEN: secret(16).optional(),
  /** Where people reach the service, for links in mails; absent: HOST and PORT. */
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  /** Addresses or networks of proxies whose X-Forwarded-For tells who asks; none is believed otherwise. */
  TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
    .refine((networks) => networks.every(isNetwork), 'must be addresses or networks, as 10.0.0.0/8, with commas between them'),
  WORKER_METRICS_PORT: port.default(0),
  /** Where traces go, by OTLP over HTTP; absent: nothing is traced, and no code for it is loaded. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** The share of requests without a traceparent of their caller that are traced. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds(5_000, 10, 60_000),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(100).default(10),
  WORKER_QUEUES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    ),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(20),
  DRAIN_MS: milliseconds(10_000, 0, 600_000),
  HEARTBEAT_MS: milliseconds(2_000, 100, 10_000),
  WORKER_LOST_MS: milliseconds(8_000, 500, 60_000),
  POLL_MS: milliseconds(1_000, 20, 60_000),
  RESCUE_MS: milliseconds(2_000, 100, 10_000),
  SCHEDULER_MS: milliseconds(1_000, 100, 60_000),
  /** How long the audit is kept, which is also the log that webhooks and streams follow. */
  AUDIT_KEEP_DAYS: z.coerce.number().int().min(30).max(36_500).default(730),
  JOB_EVENTS_KEEP_DAYS: z.coerce.number().int().min(2).max(3_650).default(30),
})

/** What the program was told, checked once. */
export type Config = z.infer<typeof environment>

/** Where attachments lie. */
export const attachmentsDirectory = ({ ATTACHMENTS_DIR, ATUM_DATA_DIR }: Config): string => ATTACHMENTS_DIR ?? join(ATUM_DATA_DIR, 'attachments')

/** A setting that cannot be used, in words that name it. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** Reads the configuration. @throws ConfigError that names each wrong variable */
export function readConfig(variables?: Record<string, string | undefined>): Config {
  const config = readVariables(environment, variables)
  if (config.WORKER_LOST_MS < 2 * config.HEARTBEAT_MS) {
    throw new ConfigError('WORKER_LOST_MS: must be at least twice HEARTBEAT_MS, or a live worker is taken for a dead one')
  }
  return config
}

/**
 * What a schema says of environment variables, and of files of their names in CREDENTIALS_DIRECTORY, where systemd puts
 * what other processes may not see.
 *
 * @throws ConfigError that names each wrong variable
 */
export function readVariables<Schema extends z.ZodObject>(schema: Schema, variables: Record<string, string | undefined> = process.env): z.infer<Schema> {
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''))
  const credentials = readCredentials(Object.keys(schema.shape), variables['CREDENTIALS_DIRECTORY'])
  const twice = Object.keys(credentials).find((name) => set[name] !== undefined && set[name] !== credentials[name])
  if (twice) throw new ConfigError(`${twice}: is set as a variable and, differently, as a credential. Remove one of them`)
  const parsed = schema.safeParse({ ...set, ...credentials })
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'))
  return parsed.data
}

function readCredentials(names: readonly string[], directory: string | undefined): Record<string, string> {
  const credentials: Record<string, string> = {}
  if (!directory) return credentials
  for (const name of names) {
    try {
      const text = readFileSync(join(directory, name), 'utf8').trim()
      if (text) credentials[name] = text
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT') throw new ConfigError(`${name}: its credential cannot be read (${message})`)
    }
  }
  return credentials
}
