import { pino } from 'pino'
import type { Logger } from 'pino'

export type { Logger } from 'pino'

const SECRETS = ['password', 'token', 'access_token', 'refresh_token', 'authorization', 'cookie', 'secret']

/** The program's log: one JSON line a fact, on standard error, with secrets taken out. */
export function createLogger(level: string, name: string): Logger {
  return pino(
    { name, level, base: { pid: process.pid }, redact: { paths: SECRETS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' } },
    pino.destination({ dest: 2, sync: false }),
  )
}
