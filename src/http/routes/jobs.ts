import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findJob, listJobEvents } from '#db/job-lists.ts'
import { planSearch, searchJobs } from '#db/job-search.ts'
import { readJobWait } from '#db/job-waits.ts'
import { eventsIn } from '#machines/job-step.ts'
import { JOB_STATES } from '#machines/job.ts'
import { jobDetailSchema, jobEventSchema, jobSchema, showJob } from '../job-shapes.ts'
import { cursorOf, limitQuery, pageOf, toPage, writeCursor } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant, numberParams } from '../shapes.ts'
import { waitingBecause } from '../waiting.ts'

const NAME_CHARS = 100
const SEARCH_CHARS = 200
const name = z.string().min(1).max(NAME_CHARS)

const jobQuery = z.strictObject({
  status: z.enum(JOB_STATES).optional(),
  job_type: name.optional(),
  queue: name.optional(),
  organization_id: z.guid().describe("For operators; everybody else has the own organisation's").optional(),
  locked_by: z.coerce.number().int().min(1).optional(),
  ticket_id: z.guid().optional(),
  q: z.string().min(1).max(SEARCH_CHARS).describe('Text in the payload or the last error').optional(),
  created_after: instant.optional(),
  created_before: instant.optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.int()])),
})
const jobPage = pageOf(jobSchema).extend({
  searched_to: z
    .number()
    .nullable()
    .describe('Where the page was ended by how many jobs it has looked through, not by its limit: the id down to which it did; next_cursor goes on from there'),
})
const eventQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int()])) })

export const jobRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['jobs']

  app.get('/jobs', { schema: { summary: 'Jobs, the newest first', tags, querystring: jobQuery, response: { 200: jobPage } } }, async (request) => {
    const identity = identityOf(request)
    const { limit, cursor, ...query } = request.query
    if (query.organization_id && identity.organization_id !== null && query.organization_id !== identity.organization_id) {
      throw refusal(403, 'Only an operator may ask for the jobs of another organisation.')
    }
    const filter = {
      status: query.status ?? null,
      job_type: query.job_type ?? null,
      queue: query.queue ?? null,
      organization_id: identity.organization_id ?? query.organization_id ?? null,
      locked_by: query.locked_by ?? null,
      ticket_id: query.ticket_id ?? null,
      q: query.q ?? null,
      created_after: query.created_after ?? null,
      created_before: query.created_before ?? null,
    }
    const before = cursor?.[0] ?? null
    const plan = await planSearch(database.system, filter, before)
    const rows = await inScope(database, identity, (tx) => searchJobs(tx, filter, { plan, before, limit: limit + 1 }))
    const page = toPage(rows, limit, showJob, (row) => [row.id])
    const searched_to = page.next_cursor === null ? (plan?.rest ?? null) : null
    return { ...page, searched_to, next_cursor: searched_to === null ? page.next_cursor : writeCursor([searched_to]) }
  })

  app.get(
    '/jobs/:id',
    { schema: { summary: 'A job, and what it waits for', tags, params: numberParams, response: { 200: jobDetailSchema } } },
    async (request) => {
      const { id } = request.params
      const job = await inScope(database, identityOf(request), (tx) => findJob(tx, id))
      if (!job) throw notFound('job')
      const { progress, ...row } = job
      const wait = await database.system.transaction((tx) => readJobWait(tx, id))
      return { ...showJob(row), allowed_events: eventsIn(job.status), waiting_because: wait ? waitingBecause(wait) : [], progress }
    },
  )

  app.get(
    '/jobs/:id/events',
    { schema: { summary: "A job's log, in its order", tags, params: numberParams, querystring: eventQuery, response: { 200: pageOf(jobEventSchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const identity = identityOf(request)
      const rows = await inScope(database, identity, async (tx) => {
        if (!(await findJob(tx, request.params.id))) throw notFound('job')
        return listJobEvents(tx, request.params.id, { after: cursor?.[0] ?? 0, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        (row) => (identity.role === 'operator' ? row : { ...row, details: withoutStack(row.details) }),
        (row) => [row.seq],
      )
    },
  )
}

/** A stack tells how the service is built: that is for who runs it. */
function withoutStack(details: unknown): unknown {
  const { error } = (details ?? {}) as { error?: unknown }
  if (typeof error !== 'object' || error === null) return details
  const { stack: _stack, ...fault } = error as { stack?: unknown }
  return { ...(details as object), error: fault }
}
