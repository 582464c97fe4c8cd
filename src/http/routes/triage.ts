import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { PRIORITIES } from '#db/job-inputs.ts'
import { inOrganization } from '#db/pool.ts'
import { readSettings } from '#db/settings.ts'
import { findTicket, lockTicket } from '#db/tickets.ts'
import { newJob } from '#jobs/job-type.ts'
import { triageTicket } from '#jobs/triage-ticket.ts'
import { requireMatch } from '../etag.ts'
import { note } from '../note.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { runRules } from '../ticket-rules.ts'
import { ticketTags } from '../ticket-shapes.ts'
import { viewerOf } from '../ticket-view.ts'
import { DECIDABLE, decideTriage } from '../triage-decision.ts'
import type { Wanted } from '../triage-decision.ts'
import { triageView, viewTriage } from '../triage-view.ts'

const NAME_CHARS = 200

const field = z.enum(DECIDABLE)
const which = { field: field.optional(), fields: z.array(field).min(1).optional().describe('Without any: every field that is offered') }
const application = z
  .strictObject({
    ...which,
    values: z
      .strictObject({
        category: z.string().min(1).max(NAME_CHARS),
        priority: z.enum(PRIORITIES),
        tags: ticketTags,
        group: z.string().min(1).max(NAME_CHARS),
        assignee: z.guid(),
        sentiment: z.enum(['positive', 'neutral', 'negative']),
      })
      .partial()
      .optional()
      .describe('What takes the place of what was suggested'),
  })
  .nullish()
const rejection = z.strictObject(which).nullish()
const queued = z.object({ job_id: z.number().nullable().describe('Null where a run of this ticket waits already') }).meta({ id: 'TriageRun' })

export const triageRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['ticket AI']

  app.post(
    '/tickets/:id/triage/run',
    { schema: { summary: 'Triage a ticket anew', tags, params: uuidParams, body: noBody, response: { 202: queued } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      const [job_id] = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), id))) throw notFound('ticket')
        if (!(await readSettings(tx)).ai_triage_enabled) throw refusal(409, 'The organisation has turned triage off.', { members: { allowed: [] } })
        await note(tx, request, { action: 'ticket.triage_run', entity_type: 'ticket', entity_id: id, details: {} })
        return enqueueJobs(tx, [newJob(triageTicket, tenant.organization_id, { ticket_id: id }, { unique_key: `triage:${id}` })])
      })
      notifier.notify(triageTicket.queue)
      return reply.code(202).send({ job_id: job_id ?? null })
    },
  )

  /** One decision on the triage of one ticket. */
  async function decide(request: FastifyRequest, id: string, wanted: Wanted): Promise<z.infer<typeof triageView>> {
    const tenant = tenantOf(request)
    const { view, queues } = await inOrganization(database.app, tenant.organization_id, async (tx) => {
      const locked = await lockTicket(tx, viewerOf(tenant), id)
      if (!locked) throw notFound('ticket')
      requireMatch(request, locked)
      const author = { ...tenant, request_id: request.id }
      const decided = await decideTriage(tx, author, locked, wanted)
      const { queues } = decided.ticket.version === locked.version ? decided : await runRules(tx, author, ['updated'], decided)
      return { view: await viewTriage(tx, id), queues }
    })
    notifier.notify(...queues)
    return view
  }

  app.post(
    '/tickets/:id/triage/apply',
    {
      schema: {
        summary: 'Accept what triage suggests, or put something else in its place, per field; 409 names what is allowed',
        tags,
        params: uuidParams,
        body: application,
        response: { 200: triageView },
      },
    },
    (request) => decide(request, request.params.id, { event: 'ACCEPT', fields: fieldsOf(request.body), values: request.body?.values ?? {} }),
  )

  app.post(
    '/tickets/:id/triage/reject',
    {
      schema: {
        summary: 'Reject what triage suggests, per field; what it wrote to the ticket is taken back',
        tags,
        params: uuidParams,
        body: rejection,
        response: { 200: triageView },
      },
    },
    (request) => decide(request, request.params.id, { event: 'REJECT', fields: fieldsOf(request.body), values: {} }),
  )
}

function fieldsOf(body: z.infer<typeof rejection>): Wanted['fields'] {
  const named = [...(body?.fields ?? []), ...(body?.field ? [body.field] : [])]
  return named.length > 0 ? named : null
}
