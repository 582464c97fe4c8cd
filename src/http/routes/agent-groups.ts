import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { deleteGroup, findGroup, groupRow, insertGroup, listGroups, updateGroup, writeMembers } from '#db/agent-groups.ts'
import type { GroupMember, GroupRow } from '#db/agent-groups.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { findPerson } from '#db/users.ts'
import { STRATEGIES } from '#desk/choose-assignee.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaffRole } from '../ticket-view.ts'

const NAME_CHARS = 200
const MEMBERS_MAX = 200
const OPEN_MAX = 10_000

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const strategy = z.enum(STRATEGIES)
const max_open = z.int().min(1).max(OPEN_MAX).nullable().describe('Open tickets with which a member gets no more; null without a limit')
const members = z
  .array(z.strictObject({ user_id: z.guid().toLowerCase(), max_open: max_open.describe("In place of the group's limit").default(null) }))
  .max(MEMBERS_MAX)
  .refine((given) => new Set(given.map(({ user_id }) => user_id)).size === given.length, 'names somebody twice')
const newGroup = z.strictObject({ name, strategy: strategy.default('manual'), max_open: max_open.default(null), members: members.default([]) })
const edit = z.strictObject({ name, strategy, max_open, members }).partial()
const groupQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })
const groupSchema = groupRow.meta({ id: 'AgentGroup' })

/** Groups of agents, and how tickets find one of them. */
export const agentGroupRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['groups']

  app.get(
    '/groups',
    { schema: { summary: 'Groups of agents, by name', tags, querystring: groupQuery, response: { 200: pageOf(groupSchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) =>
        listGroups(tx, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name],
      )
    },
  )

  app.post('/groups', { schema: { summary: 'Make a group of agents', tags, body: newGroup, response: { 201: groupSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        await requireMembers(tx, request.body.members)
        const id = await insertGroup(tx, request.body)
        await writeMembers(tx, id, request.body.members)
        const group = await requireGroup(tx, id)
        await note(tx, request, { action: 'group.create', entity_type: 'group', entity_id: id, details: group })
        return group
      }),
    )
    reply.header('location', `/api/v1/groups/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/groups/:id', { schema: { summary: 'A group', tags, params: uuidParams, response: { 200: groupSchema } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, (tx) => requireGroup(tx, request.params.id)),
  )

  app.patch(
    '/groups/:id',
    { schema: { summary: 'Change a group; members are written as a whole', tags, params: uuidParams, body: edit, response: { 200: groupSchema } } },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'agent_groups', request.params.id)
        const before = await requireGroup(tx, request.params.id)
        const { members: wanted, ...fields } = request.body
        await updateGroup(tx, before.id, { ...before, ...fields })
        if (wanted) {
          await requireMembers(tx, wanted)
          await writeMembers(tx, before.id, wanted)
        }
        const group = await requireGroup(tx, before.id)
        await note(tx, request, { action: 'group.update', entity_type: 'group', entity_id: group.id, details: { from: before, to: group } })
        return group
      }),
  )

  app.delete(
    '/groups/:id',
    { schema: { summary: 'Delete a group; services that it worked on have none then', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'agent_groups', request.params.id)
        const { id } = await requireGroup(tx, request.params.id)
        await deleteGroup(tx, id)
        await note(tx, request, { action: 'group.delete', entity_type: 'group', entity_id: id })
      })
      return reply.code(204).send()
    },
  )
}

async function requireGroup(tx: DatabaseTransactionConnection, id: string): Promise<GroupRow> {
  const group = await findGroup(tx, id)
  if (!group) throw notFound('group')
  return group
}

async function requireMembers(tx: DatabaseTransactionConnection, wanted: readonly GroupMember[]): Promise<void> {
  for (const [index, { user_id }] of wanted.entries()) {
    const user = await findPerson(tx, user_id)
    if (user && isStaffRole(user.role)) continue
    throw refusal(422, 'Members of a group are staff.', { errors: [{ location: 'body', path: `members.${index}.user_id`, message: 'is no member of staff' }] })
  }
}
