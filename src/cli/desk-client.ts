import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { Refusal } from './failure.ts'

const REQUEST_TIMEOUT_MS = 30_000
/** A service that is away is asked again for so long, first soon and then every few seconds. */
const RETRY = { forMs: 300_000, pauseMs: 200, pauseMaxMs: 5_000, faults: 5 }

const tokens = z.object({ access_token: z.string() })

/** An answer of the service. */
export interface Answer {
  status: number
  headers: Headers
  body: unknown
}

export interface Credentials {
  email: string
  password: string
  organization?: string | undefined
}

/** The service over HTTP, signed in, patient: it asks again where that can help. */
export class DeskClient {
  readonly #base: string
  readonly #credentials: Credentials
  #token: Promise<string> | null = null

  constructor(url: string, credentials: Credentials) {
    this.#base = `${url.replace(/\/+$/, '')}/api/v1`
    this.#credentials = credentials
  }

  /** Signs in. @throws Refusal where the service refuses */
  async signIn(): Promise<void> {
    await (this.#token ??= this.#login())
  }

  /** Posts `body`; with `key` the service does it once, however often it is asked. */
  async post(path: string, body: unknown, key: string): Promise<Answer> {
    for (let renewed = false; ; renewed = true) {
      const used = await (this.#token ??= this.#login())
      const answer = await this.#patiently(path, body, { authorization: `Bearer ${used}`, 'idempotency-key': key })
      if (answer.status !== 401 || renewed) return answer
      // The token has run out. Of several requests that find out, one signs in again.
      if ((await this.#token) === used) this.#token = this.#login()
    }
  }

  async #login(): Promise<string> {
    const answer = await this.#patiently('/auth/login', this.#credentials, {})
    if (answer.status === 200) return tokens.parse(answer.body).access_token
    throw new Refusal(`The service refused the sign-in of ${this.#credentials.email}: ${problemOf(answer)}. Check --email, --password and --url.`)
  }

  async #patiently(path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    const until = Date.now() + RETRY.forMs
    for (let tries = 0, faults = 0; ; tries += 1) {
      const answer = await this.#ask(path, body, headers)
      if (answer instanceof Error) {
        if (Date.now() > until) throw new Refusal(`${this.#base} cannot be reached: ${reason(answer)}. Is the service running there? (--url)`)
      } else {
        faults += answer.status === 500 ? 1 : 0
        if (!worthAnother(answer.status, faults) || Date.now() > until) return answer
      }
      await pause(waitMs(tries, answer instanceof Error ? null : answer.headers.get('retry-after')))
    }
  }

  async #ask(path: string, body: unknown, headers: Record<string, string>): Promise<Answer | Error> {
    try {
      const response = await fetch(this.#base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: jsonOrText(text) }
    } catch (error) {
      return error as Error
    }
  }
}

/** 429 and 502 to 504 pass; a 500 may (the same request is done once, whatever happens), but not for long. */
function worthAnother(status: number, faults: number): boolean {
  return status === 429 || (status >= 502 && status <= 504) || (status === 500 && faults < RETRY.faults)
}

function waitMs(tries: number, retryAfter: string | null): number {
  const told = Number(retryAfter)
  if (retryAfter && Number.isFinite(told)) return Math.max(50, told * 1_000)
  return Math.min(RETRY.pauseMs * 2 ** tries, RETRY.pauseMaxMs) * (0.5 + Math.random())
}

/** What an answer says went wrong, in its own words. */
export function problemOf({ status, body }: Answer): string {
  const problem = typeof body === 'object' && body !== null ? (body as { title?: string; detail?: string }) : {}
  return `${status} ${problem.detail ?? problem.title ?? ''}`.trim()
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function reason(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message
}
