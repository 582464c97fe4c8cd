import { STATUS_CODES } from 'node:http'
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from '@fastify/type-provider-zod'
import { InvalidInputError } from 'slonik'
import { isDatabaseAway, isDiskFull, isSchemaBehind, sqlState } from '#db/errors.ts'
import { metrics } from '#metrics.ts'
import { factsOf } from './refusal.ts'
import type { FieldError, RefusalFacts } from './refusal.ts'

const ERRORS_MAX = 20
const DETAIL_CHARS = 300
const RETRY_AFTER_SECONDS = '2'

/** A problem document of RFC 9457. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  errors: FieldError[]
  request_id: string
}

interface Verdict extends RefusalFacts {
  status: number
  detail: string
}

interface Rule {
  when: (error: Error) => boolean
  verdict: (error: Error) => Verdict
}

const later = { headers: { 'retry-after': RETRY_AFTER_SECONDS } }
const bySqlState = (pattern: RegExp) => (error: Error) => pattern.test(sqlState(error) ?? '')

/** The one table from errors to problems; the first rule that fits answers. What fits none is a fault of the service: 500. */
const RULES: Rule[] = [
  {
    when: hasZodFastifySchemaValidationErrors,
    verdict: (error) => ({ status: 400, detail: 'The request is not well-formed: see errors.', errors: fieldErrors(error) }),
  },
  { when: (error) => 'cause' in error && isResponseSerializationError(error), verdict: fault },
  {
    when: isDiskFull,
    verdict: () => ({ status: 503, detail: 'The database has no room: its disk is full. Nothing was written. Try again later.', ...later }),
  },
  {
    when: (error) => 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'),
    verdict: () => ({ status: 507, detail: 'There is no room for files: the disk is full. Nothing was kept. Try again later.', ...later }),
  },
  { when: isDatabaseAway, verdict: () => ({ status: 503, detail: 'The database cannot be reached at the moment. Try again soon.', ...later }) },
  {
    when: isSchemaBehind,
    verdict: () => ({
      status: 503,
      type: 'urn:atum-desk:problem:schema-behind',
      detail: "The database's schema is older than this program: run atum-desk migrate up.",
      ...later,
    }),
  },
  {
    when: (error) => isInvalidInput(error) || bySqlState(/^22/)(error),
    verdict: () => ({ status: 400, detail: 'A value cannot be stored or compared as it stands.' }),
  },
  { when: isRowSecurity, verdict: () => ({ status: 404, detail: 'There is no such thing.' }) },
  {
    when: bySqlState(/^23503$/),
    verdict: (error) => ({ status: 422, detail: 'The request refers to something that does not exist.', errors: missingReference(error) }),
  },
  { when: bySqlState(/^23505$/), verdict: () => ({ status: 409, detail: 'There is one already.' }) },
  { when: bySqlState(/^23514$/), verdict: () => ({ status: 422, detail: 'A value is outside of what may be stored.' }) },
  {
    when: bySqlState(/^(57014|55P03|40001|40P01)$/),
    verdict: () => ({ status: 503, detail: 'The database took too long. Ask for less, or try again soon.', ...later }),
  },
  {
    when: (error) => 'code' in error && error.code === 'FST_ERR_HANDLER_TIMEOUT',
    verdict: () => ({ status: 503, detail: 'The answer took too long. Ask for less, or try again soon.', ...later }),
  },
  {
    when: isOfCaller,
    verdict: (error) => ({ ...factsOf(error), status: (error as Error & { statusCode: number }).statusCode, detail: error.message.slice(0, DETAIL_CHARS) }),
  },
]

/** The problem that an error is to the caller. It never tells a stack, a statement or another tenant's existence. */
export function problemOf(error: Error, request: { id: string; url: string }): { problem: Problem; headers: Record<string, string> } {
  const { status, detail, type = 'about:blank', errors = [], headers = {}, members = {} } = (RULES.find((rule) => rule.when(error))?.verdict ?? fault)(error)
  return {
    problem: {
      ...members,
      type,
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail,
      instance: request.url.split('?', 1)[0]!.slice(0, 500),
      errors: errors.slice(0, ERRORS_MAX),
      request_id: request.id,
    },
    headers,
  }
}

function fault(): Verdict {
  return { status: 500, detail: 'The service failed to answer this request. The fault is noted under the request id.' }
}

/** Refusals of ours, and what the framework refuses by itself (media type, size, JSON). */
function isOfCaller(error: Error): boolean {
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 0
  return (status >= 400 && status < 500) || (status === 503 && Object.keys(factsOf(error)).length > 0)
}

/** Slonik wraps 22P02 without its code, in the class with which it complains of our own mistakes, in sentences with a full stop. */
function isInvalidInput(error: Error): boolean {
  return error instanceof InvalidInputError && !error.message.endsWith('.')
}

function isRowSecurity(error: Error): boolean {
  if (sqlState(error) !== '42501') return false
  const table = /row-level security policy for table "(\w+)"/.exec(`${error.message} ${(error.cause as Error | undefined)?.message ?? ''}`)?.[1]
  if (!table) return false
  metrics.rlsDenied.inc({ table })
  return true
}

/** Composite keys lead with the organisation: tickets_organization_id_requester_id_fkey speaks of requester_id. */
function missingReference(error: Error): FieldError[] {
  const constraint = [error, error.cause].map((each) => (each as { constraint?: unknown } | undefined)?.constraint).find((name) => typeof name === 'string')
  const path = /organization_id_(\w+)_fkey$/.exec(constraint ?? '')?.[1]
  return path ? [{ location: 'body', path, message: 'does not exist' }] : []
}

const LOCATIONS: Record<string, FieldError['location']> = { body: 'body', querystring: 'query', params: 'path', headers: 'header' }

function fieldErrors(error: Error): FieldError[] {
  if (!hasZodFastifySchemaValidationErrors(error)) return []
  const location = LOCATIONS[(error as Error & { validationContext?: string }).validationContext ?? 'body'] ?? 'body'
  return error.validation.flatMap(({ keyword, instancePath, message, params }) => {
    const path = instancePath.slice(1).replaceAll('/', '.')
    if (String(keyword) !== 'unrecognized_keys') return [{ location, path, message: message ?? 'is not valid' }]
    return (params as unknown as { keys: string[] }).keys.map((key) => ({
      location,
      path: [path, key.slice(0, 100)].filter(Boolean).join('.'),
      message: 'is unknown',
    }))
  })
}
