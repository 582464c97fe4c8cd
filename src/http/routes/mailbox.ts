import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { listMail, mailRow } from '#db/mailbox.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const mailQuery = z.strictObject({
  to: z.email().max(254).optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.int(), z.guid()])),
})

/** What was mailed; without a mail server, the mails themselves: `kept` means that this is the only copy. */
export const mailboxRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/mailbox',
    {
      schema: {
        summary: 'Mails, the newest first: sent ones without the secrets that they carried, and those kept here for want of a mail server',
        tags: ['operations'],
        querystring: mailQuery,
        response: { 200: pageOf(mailRow.meta({ id: 'Mail' })) },
      },
    },
    async (request) => {
      const { to = null, limit, cursor } = request.query
      const before = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const rows = await inScope(database, identityOf(request), (tx) => listMail(tx, { to }, { before, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...row }) => row,
        (row) => [row.at_us, row.id],
      )
    },
  )
}
