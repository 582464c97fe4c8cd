import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { deleteJobView, findJobView, insertJobView, jobViewRow, listJobViews, updateJobView } from '#db/job-views.ts'
import type { JobViewRow } from '#db/job-views.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import type { Identity } from '../tokens.ts'

const NAME_CHARS = 200
const QUERY_CHARS = 4_000
/** What GET /jobs can be asked for, but for the page. */
const FILTERS = 'status|job_type|queue|organization_id|locked_by|ticket_id|q|created_after|created_before'
const FILTER = String.raw`(?:${FILTERS})=[\w*.%+\-]+`

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const query = z
  .string()
  .max(QUERY_CHARS)
  .regex(new RegExp(`^${FILTER}(?:&${FILTER})*$`), 'must be filters of GET /jobs, as they stand in an address')
  .describe('Filters of GET /jobs, as they stand in an address: `status=failed&queue=ai`')
const is_shared = z.boolean().describe('Whether everybody of the organisation who reads jobs has it, or for an operator every operator')
const newView = z.strictObject({ name, query, is_shared: is_shared.default(false) })
const edit = z.strictObject({ name, query, is_shared }).partial()
const viewQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string(), z.guid()])) })
const viewSchema = jobViewRow.meta({ id: 'JobView' })

/** Lists of jobs that somebody saved. One that is shared may be changed by whoever has it, as managers and admins may change the views of tickets. */
export const jobViewRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['jobs']

  app.get(
    '/job-views',
    { schema: { summary: 'Own and shared views of jobs, by name', tags, querystring: viewQuery, response: { 200: pageOf(viewSchema) } } },
    async (request) => {
      const identity = identityOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { name: cursor[0], id: cursor[1] } : null
      const rows = await inScope(database, identity, (tx) => listJobViews(tx, identity, { after, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name, row.id],
      )
    },
  )

  app.post('/job-views', { schema: { summary: 'Save a view of jobs', tags, body: newView, response: { 201: viewSchema } } }, async (request, reply) => {
    const identity = identityOf(request)
    const answer = await inScope(database, identity, (tx) =>
      once(tx, request, identity, async (keep) => {
        const view = await insertJobView(tx, identity, request.body, LIMITS.JOB_VIEWS_PER_USER)
        if (!view) throw refusal(409, `There are ${LIMITS.JOB_VIEWS_PER_USER} views already: delete one first.`)
        const kept = keep && identity.organization_id === null ? { idempotency: { ...keep, body: view } } : {}
        await note(tx, request, { action: 'job_view.create', entity_type: 'job_view', entity_id: view.id, details: { ...view, ...kept } })
        return view
      }),
    )
    reply.header('location', `/api/v1/job-views/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/job-views/:id', { schema: { summary: 'A view of jobs', tags, params: uuidParams, response: { 200: viewSchema } } }, (request) => {
    const identity = identityOf(request)
    return inScope(database, identity, (tx) => findShown(tx, identity, request.params.id))
  })

  app.patch(
    '/job-views/:id',
    { schema: { summary: 'Change a view of jobs', tags, params: uuidParams, body: edit, response: { 200: viewSchema } } },
    (request) => {
      const identity = identityOf(request)
      return inScope(database, identity, async (tx) => {
        await lockRow(tx, 'job_views', request.params.id)
        const before = await findShown(tx, identity, request.params.id)
        const view = await updateJobView(tx, before.id, { ...before, ...request.body })
        await note(tx, request, { action: 'job_view.update', entity_type: 'job_view', entity_id: view.id, details: { from: before, to: view } })
        return view
      })
    },
  )

  app.delete(
    '/job-views/:id',
    { schema: { summary: 'Delete a view of jobs', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const identity = identityOf(request)
      await inScope(database, identity, async (tx) => {
        await lockRow(tx, 'job_views', request.params.id)
        const view = await findShown(tx, identity, request.params.id)
        await deleteJobView(tx, view.id)
        await note(tx, request, { action: 'job_view.delete', entity_type: 'job_view', entity_id: view.id })
      })
      return reply.code(204).send()
    },
  )
}

async function findShown(tx: DatabaseTransactionConnection, identity: Identity, id: string): Promise<JobViewRow> {
  const view = await findJobView(tx, identity, id)
  if (!view) throw notFound('view')
  return view
}
