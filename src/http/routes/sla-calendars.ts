import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { deleteCalendar, findCalendar, insertCalendar, listCalendars, policiesOfCalendar, updateCalendar } from '#db/sla-policies.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { previewSchema, previewTerms } from '../sla-preview.ts'
import { replanClocks } from '../sla-replan.ts'
import { calendarSchema, checkDefinition, newCalendar } from '../sla-shapes.ts'

const nameQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })

export const slaCalendarRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['SLA']

  app.get(
    '/sla/calendars',
    { schema: { summary: 'Calendars, by name', tags, querystring: nameQuery, response: { 200: pageOf(calendarSchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) =>
        listCalendars(tx, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name],
      )
    },
  )

  app.post(
    '/sla/calendars',
    { schema: { summary: 'Write a calendar; 422 names what no clock can count by', tags, body: newCalendar, response: { 201: calendarSchema } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
        once(tx, request, tenant, async () => {
          const calendar = await insertCalendar(tx, { name: request.body.name, definition: checkDefinition(request.body.definition) })
          await note(tx, request, { action: 'sla_calendar.create', entity_type: 'sla_calendar', entity_id: calendar.id, details: calendar })
          return calendar
        }),
      )
      reply.header('location', `/api/v1/sla/calendars/${(answer.body as { id: string }).id}`)
      return sendCreated(reply, answer)
    },
  )

  app.get('/sla/calendars/:id', { schema: { summary: 'A calendar', tags, params: uuidParams, response: { 200: calendarSchema } } }, async (request) => {
    const calendar = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findCalendar(tx, request.params.id))
    if (!calendar) throw notFound('calendar')
    return calendar
  })

  app.patch(
    '/sla/calendars/:id',
    {
      schema: {
        summary: 'Change a calendar: open clocks are planned anew',
        tags,
        params: uuidParams,
        body: newCalendar.partial(),
        response: { 200: calendarSchema },
      },
    },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const { name, definition } = request.body
      const { calendar, queues } = await inOrganization(database.app, organization_id, async (tx) => {
        const changes = { ...(name === undefined ? {} : { name }), ...(definition === undefined ? {} : { definition: checkDefinition(definition) }) }
        const calendar = await updateCalendar(tx, request.params.id, changes)
        if (!calendar) throw notFound('calendar')
        await note(tx, request, { action: 'sla_calendar.update', entity_type: 'sla_calendar', entity_id: calendar.id, details: changes })
        return { calendar, queues: definition === undefined ? [] : await replanClocks(tx, organization_id) }
      })
      notifier.notify(...queues)
      return calendar
    },
  )

  app.post(
    '/sla/calendars/:id/preview',
    {
      schema: {
        summary: 'What other hours or holidays would do to the clocks that are open; nothing is changed',
        tags,
        params: uuidParams,
        body: newCalendar.pick({ definition: true }),
        response: { 200: previewSchema },
      },
    },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const calendar = checkDefinition(request.body.definition)
        if (!(await findCalendar(tx, request.params.id))) throw notFound('calendar')
        return previewTerms(tx, await policiesOfCalendar(tx, request.params.id), (before) => ({ ...before, calendar }))
      }),
  )

  app.delete(
    '/sla/calendars/:id',
    { schema: { summary: 'Delete a calendar that no policy counts by', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { id } = request.params
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'sla_calendars', id)
        if (!(await findCalendar(tx, id))) throw notFound('calendar')
        if ((await deleteCalendar(tx, id)) === 0) throw refusal(409, 'A policy counts by this calendar.')
        await note(tx, request, { action: 'sla_calendar.delete', entity_type: 'sla_calendar', entity_id: id })
      })
      return reply.code(204).send()
    },
  )
}
