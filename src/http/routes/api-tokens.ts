import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { apiTokenRow, insertApiToken, listApiTokens, revokeApiTokens } from '#db/api-tokens.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, inSystem } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant, uuidParams } from '../shapes.ts'
import { SCOPES } from '../token-scopes.ts'
import { hashToken } from '../tokens.ts'

const NAME_CHARS = 200

const apiToken = apiTokenRow.meta({ id: 'ApiToken' })
const newApiToken = z.strictObject({
  name: z.string().max(NAME_CHARS).regex(/\S/, 'must say something').describe('Where it is used'),
  scopes: z
    .array(z.enum(SCOPES as readonly [string, ...string[]]))
    .min(1)
    .max(SCOPES.length)
    .describe('What it may do, within what its owner may: an area and read or write, or read or write for all'),
  expires_at: instant.nullable().describe('Without it, it ends when it is revoked').default(null),
})
const tokenQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.guid()])) })

/** Tokens for programs: they act as their owner, within their scopes, and end with the account. */
export const apiTokenRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, bearers, apiToken: tokenOf } }) => {
  const tags = ['auth']

  app.get(
    '/auth/tokens',
    { schema: { summary: 'The own API tokens, the oldest first', tags, querystring: tokenQuery, response: { 200: pageOf(apiToken) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const after = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const rows = await listApiTokens(database.system, identityOf(request).user_id, { after, limit: limit + 1 })
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...row }) => row,
        (row) => [row.at_us, row.id],
      )
    },
  )

  app.post(
    '/auth/tokens',
    {
      schema: {
        summary: 'Make an API token; it is shown this once',
        tags,
        body: newApiToken,
        response: { 201: apiToken.extend({ token: z.string().describe('Sent as a bearer token') }).meta({ id: 'NewApiToken' }) },
      },
    },
    async (request, reply) => {
      const identity = identityOf(request)
      const { name, scopes, expires_at } = request.body
      if (expires_at !== null && Date.parse(expires_at) <= Date.now()) {
        throw refusal(400, 'The token would have ended already.', { errors: [{ location: 'body', path: 'expires_at', message: 'must be in the future' }] })
      }
      const answer = await inSystem(database, identity, (tx) =>
        once(tx, request, identity, async (keep) => {
          const id = randomUUID()
          const { organization_id, user_id } = identity
          const token = { id, organization_id, user_id, name, scopes: [...new Set(scopes)], expires_at, token_hash: hashToken(tokenOf(id)) }
          const body = await insertApiToken(tx, token, LIMITS.API_TOKENS_PER_USER)
          if (!body) throw refusal(409, `There are ${LIMITS.API_TOKENS_PER_USER} tokens already: revoke one first.`)
          const details = { name, scopes, expires_at, ...(keep ? { idempotency: { ...keep, body } } : {}) }
          await note(tx, request, { action: 'api_token.create', entity_type: 'api_token', entity_id: id, details })
          return body
        }),
      )
      // The kept answer of a repeated request holds no secret: it is made again of the token's id.
      const body = answer.body as z.infer<typeof apiToken>
      const shown = { ...body, token: tokenOf(body.id) }
      return sendCreated(reply, answer.replayed ? { replayed: true, body: shown } : { replayed: false, body: shown })
    },
  )

  app.delete('/auth/tokens', { schema: { summary: 'Revoke all own API tokens', tags, response: { 204: z.void() } } }, async (request, reply) => {
    const identity = identityOf(request)
    await inSystem(database, identity, async (tx) => {
      const revoked = await revokeApiTokens(tx, identity.user_id, null)
      await note(tx, request, { action: 'api_token.revoke', entity_type: 'user', entity_id: identity.user_id, details: { revoked } })
    })
    bearers.changed()
    return reply.code(204).send()
  })

  app.delete(
    '/auth/tokens/:id',
    { schema: { summary: 'Revoke an API token', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const identity = identityOf(request)
      await inSystem(database, identity, async (tx) => {
        const revoked = await revokeApiTokens(tx, identity.user_id, request.params.id)
        if (revoked.length === 0) throw notFound('token')
        await note(tx, request, { action: 'api_token.revoke', entity_type: 'api_token', entity_id: request.params.id, details: {} })
      })
      bearers.changed()
      return reply.code(204).send()
    },
  )
}
