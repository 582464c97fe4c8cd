import { z } from 'zod'
import { sql } from './sql.ts'
import { conditionSchema } from './ticket-condition.ts'
import type { Condition } from './ticket-condition.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Where an organisation wants to hear of events. Its secret is shown when it is made, and never again. */
export const endpointRow = z.object({
  id: z.string(),
  url: z.string(),
  description: z.string(),
  event_types: z.array(z.string()),
  condition: conditionSchema.nullable(),
  is_active: z.boolean(),
  disabled_at: z.date().nullable(),
  disabled_reason: z.string().nullable(),
  previous_secret_until: z.date().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type EndpointRow = z.infer<typeof endpointRow>

const columns = sql.fragment`id, url, description, event_types, condition, is_active, disabled_at, disabled_reason,
  case when previous_secret_until > now() then previous_secret_until end as previous_secret_until, created_at, updated_at`
const head = sql.fragment`coalesce((select id from audit_heads where tenant = bound_organization()), 0)`

/** The endpoints of the bound organisation, the oldest first. */
export async function listEndpoints(db: CommonQueryMethods): Promise<readonly EndpointRow[]> {
  return db.any(sql.type(endpointRow)`select ${columns} from webhook_endpoints where organization_id = bound_organization() order by created_at, id`)
}

export async function findEndpoint(db: CommonQueryMethods, id: string): Promise<EndpointRow | null> {
  return db.maybeOne(sql.type(endpointRow)`select ${columns} from webhook_endpoints where organization_id = bound_organization() and id = ${id}`)
}

/** The same, and nobody else changes it until the transaction ends. */
export async function lockEndpoint(db: CommonQueryMethods, id: string): Promise<EndpointRow | null> {
  return db.maybeOne(sql.type(endpointRow)`
    select ${columns} from webhook_endpoints where organization_id = bound_organization() and id = ${id} for no key update`)
}

export interface EndpointFields {
  url: string
  description: string
  event_types: readonly string[]
  condition: Condition | null
  is_active: boolean
}

const jsonOf = (condition: Condition | null): string | null => condition && JSON.stringify(condition)

/** Makes an endpoint that hears of what happens from now on. */
export async function insertEndpoint(db: CommonQueryMethods, fields: EndpointFields & { secret: string }): Promise<EndpointRow> {
  return db.one(sql.type(endpointRow)`
    insert into webhook_endpoints (organization_id, url, description, event_types, condition, is_active, secret, from_event_id)
    values (bound_organization(), ${fields.url}, ${fields.description}, ${sql.array(fields.event_types, 'text')}, ${jsonOf(fields.condition)}::jsonb,
            ${fields.is_active}, ${fields.secret}, ${head})
    returning ${columns}`)
}

/** Changes an endpoint. One that is switched on again hears of what happens from then on, and is no longer disabled. */
export async function updateEndpoint(db: CommonQueryMethods, id: string, fields: EndpointFields): Promise<EndpointRow> {
  return db.one(sql.type(endpointRow)`
    update webhook_endpoints
       set url = ${fields.url}, description = ${fields.description}, event_types = ${sql.array(fields.event_types, 'text')},
           condition = ${jsonOf(fields.condition)}::jsonb, is_active = ${fields.is_active},
           from_event_id = case when ${fields.is_active} and not is_active then ${head} else from_event_id end,
           disabled_at = case when not ${fields.is_active} then disabled_at end, disabled_reason = case when not ${fields.is_active} then disabled_reason end,
           updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${columns}`)
}

/** Gives an endpoint a new secret; the old one signs as well for some hours. */
export async function rotateSecret(db: CommonQueryMethods, id: string, secret: string, overlapHours: number): Promise<EndpointRow> {
  return db.one(sql.type(endpointRow)`
    update webhook_endpoints
       set previous_secret = case when ${overlapHours} > 0 then secret end,
           previous_secret_until = case when ${overlapHours} > 0 then now() + make_interval(hours => ${overlapHours}::int4) end,
           secret = ${secret}, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${columns}`)
}

/** Removes an endpoint with its deliveries. @returns whether there was one */
export async function deleteEndpoint(db: CommonQueryMethods, id: string): Promise<boolean> {
  return (
    (await db.maybeOne(sql.typeAlias('id')`delete from webhook_endpoints where organization_id = bound_organization() and id = ${id} returning id`)) !== null
  )
}

/** Switches an endpoint off because of what its deliveries met. @returns where it went; null where it was off already */
export async function disableEndpoint(db: CommonQueryMethods, id: string, reason: string): Promise<string | null> {
  return db.maybeOneFirst(sql.type(z.object({ url: z.string() }))`
    update webhook_endpoints set is_active = false, disabled_at = now(), disabled_reason = ${reason}, updated_at = now()
     where organization_id = bound_organization() and id = ${id} and is_active
    returning url`)
}

const listener = z.object({ id: z.string(), event_types: z.array(z.string()), condition: conditionSchema.nullable(), from_event_id: z.number() })
export type Listener = z.infer<typeof listener>

/** The endpoints that hear of events now. */
export async function activeEndpoints(db: CommonQueryMethods): Promise<readonly Listener[]> {
  return db.any(sql.type(listener)`
    select id, event_types, condition, from_event_id from webhook_endpoints where organization_id = bound_organization() and is_active order by id`)
}
