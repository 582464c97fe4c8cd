import type { FastifyRequest } from 'fastify'
import { refusal } from './refusal.ts'

/** The tag of what has a version: it changes with each change that somebody makes, and not with figures of the service. */
export const etagOf = ({ version }: { version: number }): string => `"${version}"`

/**
 * Holds a change to the version that its author has read, where an If-Match header says which.
 *
 * @throws a refusal with 412
 */
export function requireMatch(request: FastifyRequest, current: { version: number }): void {
  const wanted = request.headers['if-match']
  if (wanted === undefined || wanted.trim() === '*' || tagsOf(wanted).includes(etagOf(current))) return
  throw refusal(412, 'It was changed since you read it: read it again.', { headers: { etag: etagOf(current) }, members: { current_version: current.version } })
}

/** Whether the caller has this version already, as an If-None-Match header says. */
export function isKnown(request: FastifyRequest, current: { version: number }): boolean {
  const known = request.headers['if-none-match']
  if (known === undefined) return false
  // A tag that a proxy made weak is good enough to read by, not to write by.
  return known.trim() === '*' || tagsOf(known.replaceAll('W/', '')).includes(etagOf(current))
}

const tagsOf = (header: string): string[] => header.split(',').map((tag) => tag.trim())
