import { isDown, isUp } from './connection.ts'
import { accessToken, forget, keep } from './session.ts'
import type { Tokens } from './session.ts'
import type { Health, Job, JobDetail, JobEvent, Machine, Me, Page, Queue, Worker } from './shapes.ts'

const PREFIX = '/api/v1'
const REQUEST_TIMEOUT_MS = 10_000
export const FILE_TIMEOUT_MS = 300_000
/** A job's log is read whole up to this many pages of 200; the page says where there is more. */
const LOG_PAGES_MAX = 10
const LOG_PAGE = 200

/** An answer that is not a success, in the API's own words (RFC 9457). */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  /** Each thing that is wrong: its field, then what is wrong with it. */
  readonly errors: readonly string[]
  /** What kind of problem it is, where the status does not say it. */
  readonly type: string | undefined
  readonly retryAfterSeconds: number | undefined
  constructor(status: number, title: string, { detail, errors, type, retryAfterSeconds }: ProblemFacts) {
    super(detail ?? title)
    this.status = status
    this.errors = errors
    this.type = type
    this.retryAfterSeconds = retryAfterSeconds
  }

  /** Whether the API complains of this field. */
  isAbout(field: string): boolean {
    return this.errors.some((line) => line.startsWith(`${field} `))
  }
}

interface ProblemFacts {
  detail: string | undefined
  errors: readonly string[]
  type: string | undefined
  retryAfterSeconds: number | undefined
}

/** The API cannot be reached, or cannot serve at the moment. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

/** What somebody signs in with; an organisation's slug where the address has accounts in several, a code where there is a second factor. */
export interface Credentials {
  email: string
  password: string
  organization: string
  otp: string
}

export async function signIn({ email, password, organization, otp }: Credentials): Promise<void> {
  const body = { email, password, ...(organization ? { organization } : {}), ...(otp ? { otp } : {}) }
  keep(await send('POST', '/auth/login', { body, anonymous: true }))
}

const knock = <Answer>(path: string, body: object): Promise<Answer> => send('POST', `/auth/${path}`, { body, anonymous: true })
export const forgotPassword = (email: string): Promise<unknown> => knock('forgot-password', { email })
export const resetPassword = (token: string, password: string): Promise<void> => knock('reset-password', { token, password })
export const verifyEmail = (token: string): Promise<{ email: string; organization: string }> => knock('verify-email', { token })
export const resendVerification = (email: string): Promise<unknown> => knock('resend-verification', { email })

export const register = (wanted: { email: string; password: string; full_name: string; organization: string }): Promise<unknown> => knock('register', wanted)

export interface FactorStanding {
  enabled: boolean
  required: boolean
  recovery_codes_left: number
}

export const factorStanding = (signal: AbortSignal): Promise<FactorStanding> => send('GET', '/auth/2fa/status', { signal })
export const beginFactor = (password: string): Promise<{ secret: string; otpauth_url: string }> => send('POST', '/auth/2fa/enable', { body: { password } })
export const confirmFactor = (otp: string): Promise<{ recovery_codes: string[] }> => send('POST', '/auth/2fa/verify', { body: { otp } })
export const removeFactor = (password: string, otp: string): Promise<void> => send('POST', '/auth/2fa/disable', { body: { password, otp } })
export const newRecoveryCodes = (otp: string): Promise<{ recovery_codes: string[] }> => send('POST', '/auth/2fa/recovery-codes', { body: { otp } })

/** Changes the own password. Every sign-in ends, this one too. */
export async function changePassword(current_password: string, password: string): Promise<void> {
  await send('POST', '/auth/password', { body: { current_password, password } })
  forget('Your password is changed. Sign in with the new one.')
}

/** Ends every sign-in of the account, on whatever device. */
export async function signOutEverywhere(): Promise<void> {
  await send('POST', '/auth/logout', { body: {} })
  forget('You are signed out everywhere.')
}

/** Exchanges the session's tokens now: what the account may do has changed. */
export async function renewSession(): Promise<void> {
  const token = await accessToken(exchange)
  if (token !== null) await accessToken(exchange, token)
}

/** Forgets the session here at once, and asks the server to forget it too. */
export async function signOut(): Promise<void> {
  const refresh_token = forget()
  if (refresh_token === null) return
  // The tokens are gone from this tab already; the server's copy ends by itself where it cannot be told.
  await send('POST', '/auth/logout', { body: { refresh_token }, anonymous: true }).catch((error: unknown) => console.warn('sign-out', error))
}

export const me = (signal: AbortSignal): Promise<Me> => send('GET', '/auth/me', { signal })
/** How the service stands; one that can serve nothing answers 503 in the same shape. */
export async function health(signal: AbortSignal): Promise<Health> {
  const response = await answer('GET', '/health', { signal, accept: [503] }, null)
  if (!response.ok && response.status !== 503) throw await problem(response)
  return (await response.json()) as Health
}

/** Reads what a path answers. */
export const read = <Answer>(path: string, signal: AbortSignal): Promise<Answer> => send('GET', path, { signal })
/** Reads a short list whole. */
export const readItems = async <Item>(path: string, signal: AbortSignal): Promise<Item[]> => (await read<Page<Item>>(path, signal)).items
/** The same, where the server may not serve the path, or has nothing there: null. */
export const readIfThere = <Answer>(path: string, signal: AbortSignal): Promise<Answer | null> => read<Answer>(path, signal).catch(nothingThere)

export const machines = (signal: AbortSignal): Promise<Machine[]> => readItems('/machines', signal)
export const workers = (signal: AbortSignal): Promise<Worker[]> => readItems('/workers', signal)
export const queues = (signal: AbortSignal): Promise<Queue[]> => readItems('/queues', signal)
export const moveQueue = (name: string, move: 'pause' | 'resume'): Promise<unknown> => send('POST', `/queues/${encodeURIComponent(name)}/${move}`)

export const jobs = (query: Record<string, string>, signal: AbortSignal): Promise<Page<Job>> => send('GET', `/jobs?${new URLSearchParams(query)}`, { signal })
export const job = (id: string, signal: AbortSignal): Promise<JobDetail> => send('GET', `/jobs/${encodeURIComponent(id)}`, { signal })
export const moveJob = (id: string, move: 'retry' | 'cancel'): Promise<unknown> => send('POST', `/jobs/${encodeURIComponent(id)}/${move}`)

/** A job's whole log, oldest first, and whether there is more than the console reads. */
export async function jobEvents(id: string, signal: AbortSignal): Promise<{ events: JobEvent[]; more: boolean }> {
  const events: JobEvent[] = []
  let cursor: string | null = ''
  for (let page = 0; page < LOG_PAGES_MAX && cursor !== null; page += 1) {
    const query = new URLSearchParams({ limit: String(LOG_PAGE), ...(cursor ? { cursor } : {}) })
    const answer: Page<JobEvent> = await send('GET', `/jobs/${encodeURIComponent(id)}/events?${query}`, { signal })
    events.push(...answer.items)
    cursor = answer.next_cursor ?? null
  }
  return { events: events.toSorted((a, b) => a.seq - b.seq), more: cursor !== null }
}

export const enqueue = (job: { job_type: string; payload: unknown; count: number }): Promise<unknown> =>
  send('POST', '/jobs', { body: job, headers: { 'idempotency-key': randomKey() } })

interface Options {
  body?: unknown
  /** A file with its fields, in the place of a body in JSON. */
  form?: FormData
  timeoutMs?: number
  headers?: Record<string, string>
  signal?: AbortSignal
  anonymous?: boolean
  /** Statuses of 500 and above that do not mean that the API is away. */
  accept?: number[]
}

/** One request to the API, as whoever is signed in. @throws ApiError, Unreachable */
export async function send<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
  const token = options.anonymous ? null : await accessToken(exchange)
  let response = await answer(method, path, options, token)
  if (response.status === 401 && token !== null) {
    const renewed = await accessToken(exchange, token)
    if (renewed !== null) response = await answer(method, path, options, renewed)
    if (response.status === 401) forget('Your session has ended. Sign in again to go on where you were.')
  }
  if (!response.ok) throw await problem(response)
  if (response.status === 204) return undefined as Answer
  return (await response.json()) as Answer
}

async function answer(method: string, path: string, options: Options, token: string | null): Promise<Response> {
  const { body, form, headers = {}, signal, accept, timeoutMs = REQUEST_TIMEOUT_MS } = options
  const limit = AbortSignal.timeout(timeoutMs)
  let response: Response
  try {
    response = await fetch(PREFIX + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(form ? { body: form } : body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    const why = limit.aborted ? `The API did not answer within ${timeoutMs / 1_000} s.` : 'The API does not answer.'
    isDown(why)
    throw new Unreachable(why, { cause: error })
  }
  if ([502, 503, 504].includes(response.status) && !accept?.includes(response.status)) {
    const { message } = await problem(response)
    isDown(message)
    throw new Unreachable(message)
  }
  // A health report of 503 says that the service is not well; whether it serves, the other requests find out.
  if (response.status !== 503) isUp(response.headers.get('date'))
  return response
}

/** A file of the API's, whole. */
export async function download(path: string): Promise<Blob> {
  const response = await answer('GET', path, { timeoutMs: FILE_TIMEOUT_MS }, await accessToken(exchange))
  if (!response.ok) throw await problem(response)
  return response.blob()
}

/** An answer that comes for as long as it is listened to. */
export async function listen(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array> | null> {
  const token = await accessToken(exchange)
  if (token === null) return null
  const response = await fetch(PREFIX + path, { headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` }, signal })
  return response.ok ? response.body : null
}

/** @returns null where the session is over; throws where that is not known */
async function exchange(refreshToken: string): Promise<Tokens | null> {
  try {
    return await send('POST', '/auth/refresh', { body: { refresh_token: refreshToken }, anonymous: true })
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403 || error.status === 400)) return null
    throw error
  }
}

interface FieldError {
  path?: string
  message?: string
}

async function problem(response: Response): Promise<ApiError> {
  const text = await response.text()
  const body = parse(text)
  const errors = Array.isArray(body['errors']) ? (body['errors'] as FieldError[]).map(({ path, message }) => [path, message].filter(Boolean).join(' ')) : []
  const word = (key: string) => (typeof body[key] === 'string' ? body[key] : undefined)
  const title = word('title') ?? `The API answered ${response.status} ${response.statusText}`.trim()
  const retryAfterSeconds = Number(response.headers.get('retry-after')) || undefined
  return new ApiError(response.status, title, { detail: word('detail'), errors, type: word('type'), retryAfterSeconds })
}

/** A proxy in front of the API may answer in HTML: then there are no words to show but the status. */
function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function nothingThere(error: unknown): null {
  if (error instanceof ApiError && error.status === 404) return null
  throw error
}

/** crypto.randomUUID is missing where the page came by plain HTTP from another host. */
export const randomKey = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
