import { Readable } from 'node:stream'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { decodeJwt } from 'jose'
import { z } from 'zod'
import { lastEventId } from '#db/events.ts'
import { readJobCounts } from '#db/job-counts.ts'
import { metrics } from '#metrics.ts'
import type { Bearers } from '../bearers.ts'
import { eventStream, HEARTBEAT_MS } from '../event-stream.ts'
import { startEventTail } from '../event-tail.ts'
import { startFollowUp } from '../follow-up.ts'
import { refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { ShortCache } from '../short-cache.ts'
import { StreamPlaces } from '../stream-places.ts'

/** A stream ends with its access token or its sign-in, and after this long in any case. */
const STREAM_MAX_MS = 3_600_000
/** What waits to be taken by a listener; beyond it nothing is read for them. */
const BUFFER_BYTES = 65_536
/** A listener that takes nothing for so long is gone. */
const STALLED_MS = 60_000
const JOBS_AGE_MS = 900
const TYPES_MAX = 20

const eventId = z
  .string()
  .regex(/^\d{1,15}$/, 'must be the id of an event')
  .transform(Number)
const eventQuery = z.strictObject({
  last_event_id: eventId.describe('Where a first connection begins; a Last-Event-ID header counts more').optional(),
  types: z
    .string()
    .regex(/^(\*|[a-z_]+\.(\*|[a-z_]+))(,(\*|[a-z_]+\.(\*|[a-z_]+)))*$/, 'must be types like ticket.created or ticket.*, with commas between them')
    .max(1_000)
    .transform((text) => text.split(','))
    .pipe(z.array(z.string()).max(TYPES_MAX))
    .optional(),
})

export const eventRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, log, notifier, bearers } }) => {
  const followUp = startFollowUp(database, notifier, log)
  const tail = startEventTail(database, log, () => followUp.wake())
  const places = new StreamPlaces()
  const closing = new AbortController()
  const jobCounts = new ShortCache<string>(JOBS_AGE_MS)
  app.addHook('preClose', async () => closing.abort('closing'))
  app.addHook('onClose', async () => {
    tail.stop()
    await followUp.stop()
  })

  const readJobs = () => jobCounts.get('all', async () => JSON.stringify({ counts: sumUp(await database.system.transaction((tx) => readJobCounts(tx, null))) }))

  app.get(
    '/events',
    {
      schema: {
        summary: 'What happens, as it happens',
        description:
          'text/event-stream. Blocks have the id, the type and the Event in JSON. Resumes after Last-Event-ID without loss; without one it begins now. `ready` says where it begins, `end` why it ends; an operator gets `jobs`, the counts of all jobs, at most once a second.',
        tags: ['push'],
        querystring: eventQuery,
        produces: ['text/event-stream'],
        response: { 200: z.string().describe('Blocks, for as long as the sign-in lasts') },
      },
      handlerTimeout: STREAM_MAX_MS + STALLED_MS,
    },
    async (request, reply) => {
      const identity = identityOf(request)
      const newest = await inScope(database, identity, (tx) => lastEventId(tx, identity.organization_id))
      // An id from another database, or from before it was restored: better told where this one stands than waiting for ever.
      const after = Math.min(askedFor(request) ?? request.query.last_event_id ?? newest, newest)
      const leave = places.take(identity.user_id)
      const ended = new AbortController()
      const expiry = setTimeout(() => ended.abort('token_expired'), lifetimeMs(request)).unref()
      const recheck = setInterval(() => void endWithSignIn(bearers, request, ended), HEARTBEAT_MS).unref()
      const signal = AbortSignal.any([ended.signal, closing.signal])
      const listening = { identity, after, types: request.query.types ?? null, signal, jobs: identity.role === 'operator' ? readJobs : null }
      const stream = Readable.from(eventStream(tail, listening), { objectMode: false, highWaterMark: BUFFER_BYTES })
      const watch = watchTaking(stream, request)
      metrics.eventStreams.set(places.taken)
      // Of the connection, not of the stream: that one closes only when what it waits for has come.
      reply.raw.once('close', () => {
        clearTimeout(expiry)
        clearInterval(watch)
        clearInterval(recheck)
        leave()
        ended.abort('left')
        metrics.eventStreams.set(places.taken)
      })
      return (
        reply
          .type('text/event-stream; charset=utf-8')
          .header('cache-control', 'no-store, no-transform')
          .header('x-accel-buffering', 'no')
          // Kept alive for another request, it would hold up a server that stops.
          .header('connection', 'close')
          .send(stream as unknown as string)
      )
    },
  )
}

/** The id that an EventSource sends when it comes back. */
function askedFor(request: FastifyRequest): number | null {
  const header = request.headers['last-event-id']
  if (header === undefined || header === '') return null
  const parsed = eventId.safeParse(header)
  if (parsed.success) return parsed.data
  throw refusal(400, 'The Last-Event-ID is no id of an event.', { errors: [{ location: 'header', path: 'last-event-id', message: 'is no id of an event' }] })
}

/** A sign-in that ended ends its streams; a database that is away ends none. */
async function endWithSignIn(bearers: Bearers, request: FastifyRequest, stream: AbortController): Promise<void> {
  await bearers.identify(request).catch((error: { statusCode?: number }) => {
    if (error.statusCode === 401) stream.abort('sign_in_ended')
  })
}

/** A token that says nothing of its end is looked at again after the longest time that a stream may take. */
function lifetimeMs(request: FastifyRequest): number {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
  // It was verified on the way in.
  const ends = token.split('.').length === 3 ? decodeJwt(token).exp : undefined
  return Math.max(0, Math.min(STREAM_MAX_MS, ends === undefined ? STREAM_MAX_MS : ends * 1_000 - Date.now()))
}

/** Ends the stream of who takes nothing any more: bytes wait in the socket, and none of them leaves. */
function watchTaking(stream: Readable, request: FastifyRequest): NodeJS.Timeout {
  const { socket } = request.raw
  let written = 0
  let since = Date.now()
  return setInterval(() => {
    const moved = socket.bytesWritten - socket.writableLength
    if (moved !== written || socket.writableLength === 0) [written, since] = [moved, Date.now()]
    else if (Date.now() - since > STALLED_MS) stream.destroy()
  }, HEARTBEAT_MS).unref()
}

function sumUp(counts: readonly { job_type: string; status: string; jobs: number }[]): Record<string, Record<string, number>> {
  const sums: Record<string, Record<string, number>> = {}
  for (const { job_type, status, jobs } of counts) {
    const states = (sums[job_type] ??= {})
    states[status] = (states[status] ?? 0) + jobs
  }
  return sums
}
