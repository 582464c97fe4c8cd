import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { unfollowedLogs } from '#db/events.ts'
import type { OrganizationRow } from '#db/organizations.ts'
import type { Role, UserRow } from '#db/users.ts'
import { accessTokens } from '#http/tokens.ts'
import { arbitraryOf } from './arbitrary.ts'
import type { Material } from './arbitrary.ts'
import { until } from './database.ts'
import type { TestDatabase } from './database.ts'
import type { Document, Route } from './openapi.ts'
import { streams } from './openapi.ts'
import { createOrganization, createUser } from './people.ts'
import { SECRET } from './server.ts'

export const TENANT_ROLES = ['customer_user', 'customer_admin', 'agent', 'manager', 'admin'] as const satisfies readonly Role[]

/** Bodies of a route that are tried until one is taken: a schema does not say all. */
const TRIES = 10

/** Somebody with an access token that no sign-in stands behind: whatever happens to the account, it goes on. */
export interface Actor {
  role: Role
  user: UserRow
  token: string
}

/** An organisation with one of each role, and the ids of all that it has, by table. */
export interface Household {
  organization: OrganizationRow
  actors: Record<(typeof TENANT_ROLES)[number], Actor>
  ids: Map<string, string[]>
}

export async function actorOf(database: TestDatabase, role: Role, organization: OrganizationRow | null): Promise<Actor> {
  const user = await createUser(database, role, organization)
  const token = await accessTokens(SECRET).sign({ user_id: user.id, organization_id: user.organization_id, role, sign_in_id: randomUUID() })
  return { role, user, token }
}

/** Everything is made through the API as a client would; what it says in free text begins with `word`. */
export async function furnish(database: TestDatabase, app: FastifyInstance, document: Document, routes: readonly Route[], word: string): Promise<Household> {
  const organization = await createOrganization(database)
  await database.owner('update organizations set name = $2 where id = $1', [organization.id, `${word} company`])
  const actors = {} as Household['actors']
  for (const role of TENANT_ROLES) actors[role] = await actorOf(database, role, organization)
  const household: Household = { organization, actors, ids: new Map() }
  await findIds(database, household)
  const text = fc.stringMatching(/^[a-z]{3,8}$/).map((end) => `${word} ${end}`)
  // Twice: what refers to something else finds it in the second round.
  for (let round = 0; round < 2; round += 1) {
    for (const route of routes.filter(({ method, operation }) => method === 'POST' && '201' in operation.responses)) {
      const material = materialOf([household], text)
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        const { statusCode } = await ask(
          app,
          route,
          { id: idFor(route, household), body: sample(document, route, material, round * TRIES + attempt) },
          actors.admin.token,
        )
        if (statusCode < 300) break
      }
      await findIds(database, household)
    }
  }
  await think(database, household, word)
  await findIds(database, household)
  await settle(database)
  return household
}

/** What events cause (deliveries, mails) is written soon after them: waits until it is. */
export async function settle(database: TestDatabase): Promise<void> {
  await until(async () => (await unfollowedLogs(database.system, 1)).length === 0, 'every log is followed')
}

/** What jobs would make of the first ticket and article: a triage, a drafted reply, a fitting article. */
async function think(database: TestDatabase, { organization, ids }: Household, word: string): Promise<void> {
  const [ticket, article] = [ids.get('tickets')?.[0], ids.get('kb_articles')?.[0]]
  await database.owner(
    `insert into ticket_ai_triage (organization_id, ticket_id, suggested_category, suggested_priority, suggested_tags, sentiment_label, sentiment_score, confidence, model_id)
     values ($1, $2, $3, 'high', array[$3], 'neutral', 0, 0.9, 'test') on conflict do nothing`,
    [organization.id, ticket, `${word} category`],
  )
  await database.owner(
    `insert into ai_suggestions (organization_id, ticket_id, suggestion_type, content, confidence, model_id, expires_at)
     values ($1, $2, 'smart_reply', $3, 0.9, 'test', now() + interval '1 day') on conflict do nothing`,
    [organization.id, ticket, `${word} reply`],
  )
  await database.owner(
    `insert into ticket_kb_suggestions (organization_id, ticket_id, article_id, title, excerpt, relevance_score) values ($1, $2, $3, $4, $4, 0.8) on conflict do nothing`,
    [organization.id, ticket, article, `${word} article`],
  )
}

/** Reads the ids of all that the household has. */
export async function findIds(database: TestDatabase, household: Household): Promise<void> {
  const tables = await tenantTables(database)
  for (const table of tables.filter(({ has_id }) => has_id)) {
    const rows = await database.owner<{ id: string }>(`select id::text as id from ${table.name} where organization_id = $1 order by created_at desc limit 20`, [
      household.organization.id,
    ])
    household.ids.set(
      table.name,
      rows.map(({ id }) => id),
    )
  }
}

/** The tables with an organisation's rows, without the days of a log, which are parts of it. */
export function tenantTables(database: TestDatabase): Promise<{ name: string; has_id: boolean }[]> {
  return database.owner(`
    select relname::text as name, count(*) filter (where attname in ('id', 'created_at')) = 2 as has_id
      from pg_class join pg_attribute on attrelid = pg_class.oid and not attisdropped
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
     group by relname having count(*) filter (where attname = 'organization_id') = 1 order by relname`)
}

const LOGS_MAX = 1_000

/** A digest of every row that an organisation has, by table: what of it changes is a difference. What its events cause is waited for. */
export async function digestOf(database: TestDatabase, organizationId: string): Promise<Record<string, string>> {
  await until(async () => !(await unfollowedLogs(database.system, LOGS_MAX)).includes(organizationId), 'the log is followed')
  const parts = (await tenantTables(database)).map(
    ({ name }) =>
      `select '${name}' as name, md5(coalesce(string_agg(row::text, ',' order by row::text), '')) as digest from ${name} row where organization_id = '${organizationId}'`,
  )
  const rows = await database.owner<{ name: string; digest: string }>(
    [...parts, `select 'organizations', md5(row::text) from organizations row where id = '${organizationId}'`].join(' union all '),
  )
  return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]))
}

/** What a word of a path or a property calls otherwise than its table. */
const ALIASES: Readonly<Record<string, string>> = {
  requester: 'user',
  assignee: 'user',
  assigned_to: 'user',
  author: 'user',
  actor: 'user',
  group: 'agent_group',
  webhook: 'webhook_endpoint',
  delivery: 'webhook_delivery',
  relation: 'ticket_relation',
  rule: 'ticket_rule',
  view: 'ticket_view',
}

/** The table whose ids a word of a path or a property speaks of: `calendars` and `calendar_id` of sla_calendars. */
function tableOf(household: Household, word: string): string | undefined {
  const stem = word
    .replaceAll('-', '_')
    .replace(/_ids?$/, '')
    .replace(/s$/, '')
  const thing = ALIASES[stem] ?? stem
  const names = [...household.ids.keys()]
  return (
    names.find((name) => name === `${thing}s` || name === `${thing.replace(/y$/, '')}ies`) ?? names.find((name) => name.replace(/s$/, '').endsWith(`_${thing}`))
  )
}

/** An id that the route would take, of something that the household has. */
export function idFor(route: Pick<Route, 'path'>, household: Household): string {
  return idsFor(route, household)[0] ?? randomUUID()
}

/** The ids that the route would take, the newest first. */
export function idsFor({ path }: Pick<Route, 'path'>, household: Household): readonly string[] {
  const words = path.split('/')
  const at = words.findIndex((word) => word.startsWith('{'))
  const table = at > 0 ? tableOfPath(path, words[at - 1]!, household) : undefined
  return household.ids.get(table ?? 'tickets') ?? []
}

function tableOfPath(path: string, word: string, household: Household): string | undefined {
  if (path.includes('/jobs/')) return 'job_queue'
  return path.startsWith('/api/v1/suggestions/') ? 'ai_suggestions' : tableOf(household, word)
}

/** Ids come from these households, the ones of a fitting kind more often. */
export function materialOf(households: readonly Household[], text: Arbitrary<string>): Material {
  return {
    text,
    id: (name) => {
      const fitting = households.flatMap((household) => {
        const table = tableOf(household, name)
        return table === undefined ? [] : (household.ids.get(table) ?? [])
      })
      const all = households.flatMap((household) => [...household.ids.values()].flat())
      const id =
        fitting.length > 0
          ? fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fitting) }, { weight: 1, arbitrary: fc.uuid() })
          : fc.oneof(fc.constantFrom(...all), fc.uuid())
      return id.map((found) => (/^\d+$/.test(found) ? Number(found) : found))
    },
  }
}

/** A body that the schema allows, the same for the same seed; undefined where the route takes none. */
export function sample(document: Document, route: Route, material: Material, seed: number): unknown {
  const content = Object.values(route.operation.requestBody?.content ?? {})[0]
  if (!content?.schema) return undefined
  return fc.sample(arbitraryOf(document, material, content.schema), { seed, numRuns: 1 })[0]
}

export interface Asked {
  id?: string
  /** Other parameters of the path, by name. */
  params?: Record<string, string>
  query?: string
  body?: unknown
  headers?: Record<string, string>
}

export interface Answered {
  statusCode: number
  headers: Record<string, unknown>
  body: string
}

/** Sends a request of a route. One whose answer would have no end has a parameter too much, and is refused for it by whoever it lets in. */
export async function ask(app: FastifyInstance, route: Route, asked: Asked, token: string | null): Promise<Answered> {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent((name === 'id' ? asked.id : asked.params?.[name]) ?? defaultFor(name)),
  )
  const payload = payloadOf(route, asked.body)
  const request = {
    method: route.method,
    url: `${path}${streams(route) ? '?surprise=1' : (asked.query ?? '')}`,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...payload.headers, ...asked.headers },
    ...(payload.body === undefined ? {} : { payload: payload.body }),
  }
  const { statusCode, headers, body } = await app.inject(request)
  return { statusCode, headers, body }
}

/** A parameter of the path that is well-formed. */
function defaultFor(name: string): string {
  if (name === 'id' || name.endsWith('_id')) return randomUUID()
  return name === 'name' ? 'default' : '1'
}

function payloadOf({ operation }: Route, body: unknown): { headers: Record<string, string>; body?: string } {
  if (body === undefined) return { headers: {} }
  if (!('multipart/form-data' in (operation.requestBody?.content ?? {})))
    return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) ?? 'null' }
  const boundary = '----form'
  const fields = typeof body === 'object' && body !== null ? Object.entries(body) : []
  const parts = fields.map(([name, value]) => {
    const file = name === 'file' ? '; filename="note.txt"\r\ncontent-type: text/plain' : ''
    // Not String(value): a generated object may have no words for itself.
    return `content-disposition: form-data; name="${name}"${file}\r\n\r\n${typeof value === 'string' ? value : JSON.stringify(value)}`
  })
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`,
  }
}
