import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { readSettings, settingsRow, writeSettings } from '#db/settings.ts'
import { note } from '../note.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const settingsSchema = settingsRow.meta({ id: 'Settings' })
const edit = z
  .strictObject({ ...settingsRow.shape, auto_escalate_threshold: z.number().min(0).max(1).describe('How negative a ticket must sound, 0 to 1') })
  .partial()

export const settingsRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['organisation']

  app.get('/settings', { schema: { summary: "The organisation's settings", tags, response: { 200: settingsSchema } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, readSettings),
  )

  app.patch('/settings', { schema: { summary: 'Change settings', tags, body: edit, response: { 200: settingsSchema } } }, (request) => {
    const { organization_id } = tenantOf(request)
    return inOrganization(database.app, organization_id, async (tx) => {
      const before = await readSettings(tx)
      const after = await writeSettings(tx, request.body)
      const changed = Object.entries(after).filter(([name, value]) => before[name as keyof typeof before] !== value)
      const details = Object.fromEntries(changed.map(([name, to]) => [name, { from: before[name as keyof typeof before], to }]))
      await note(tx, request, { action: 'settings.update', entity_type: 'organization', entity_id: organization_id, details })
      return after
    })
  })
}
