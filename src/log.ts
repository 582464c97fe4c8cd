import { fstatSync } from 'node:fs'
import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { tracing } from './tracing.ts'

export type { Logger } from 'pino'

const SECRETS = ['password', 'token', 'access_token', 'refresh_token', 'authorization', 'cookie', 'secret', 'otp', 'api_key']
const CENSOR = '[redacted]'
const STDERR = 2

/**
 * The program's log: one JSON line a fact, on standard error, with secrets taken out, and the trace it belongs to. Where the journal of systemd
 * reads it, each line carries its priority, so that `journalctl -p err` finds what is wrong; the message stays JSON.
 */
export function createLogger(level: string, name: string, destination: DestinationStream = pino.destination({ dest: STDERR, sync: false })): Logger {
  return pino(
    {
      name,
      level,
      base: { pid: process.pid },
      mixin: () => tracing()?.fields() ?? {},
      redact: { paths: SECRETS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: CENSOR },
    },
    withoutSecrets(destination, isJournal()),
  )
}

/**
 * What redaction by path does not reach: the message of an error, a value deep inside. Passwords in addresses, bearers,
 * signed tokens, and the texts under a secret's name.
 */
const LEAKS: [RegExp, string][] = [
  [/(:\/\/[^\s:/@"\\]*):[^\s/@"\\]+@/g, `$1:${CENSOR}@`],
  [/\b(Bearer|Basic) +[\w+/.~=-]{8,}/gi, `$1 ${CENSOR}`],
  [/\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g, CENSOR],
  [/("(?:[\w-]*(?:password|passwd|secret|api_?key|cookie|authorization)[\w-]*|otp|(?:[\w-]+_)?token)":)"(?:[^"\\]|\\.)*"/gi, `$1"${CENSOR}"`],
]

function withoutSecrets(destination: DestinationStream, prefixed: boolean): DestinationStream {
  return {
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string) {
      const clean = LEAKS.reduce((text, [leak, instead]) => text.replaceAll(leak, instead), line)
      destination.write(prefixed ? `<${priorityOf(this.lastLevel)}>${clean}` : clean)
    },
  } as DestinationStream & { lastLevel: number }
}

/** JOURNAL_STREAM names the device and inode of the journal; a redirected standard error is another one. */
function isJournal(): boolean {
  const { dev, ino } = fstatSync(STDERR)
  return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`
}

/** Pino's levels as the priorities of syslog, which the journal takes from `<N>` before a line. */
function priorityOf(level: number): number {
  if (level >= 60) return 2
  if (level >= 50) return 3
  if (level >= 40) return 4
  return level >= 30 ? 6 : 7
}
