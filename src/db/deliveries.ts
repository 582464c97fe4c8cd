import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const STATES = ['pending', 'delivered', 'refused', 'failed'] as const

const outgoing = z.object({
  id: z.string(),
  endpoint_id: z.string(),
  event_id: z.number().nullable(),
  message_id: z.string(),
  event_type: z.string(),
  payload: z.unknown(),
  happened_at: z.date(),
  url: z.string(),
  secrets: z.array(z.string()),
  is_active: z.boolean(),
})
/** A delivery with where it goes, and the secrets that sign it: after a rotation, two for a while. */
export type WebhookDelivery = z.infer<typeof outgoing>

/** Null where the bound organisation has no delivery with this id. */
export async function readDelivery(db: CommonQueryMethods, id: string): Promise<WebhookDelivery | null> {
  return db.maybeOne(sql.type(outgoing)`
    select delivery.id, endpoint_id, event_id, message_id, event_type, payload, happened_at, url, is_active,
           case when previous_secret_until > now() then array[secret, previous_secret] else array[secret] end as secrets
      from webhook_deliveries delivery join webhook_endpoints endpoint on endpoint.organization_id = delivery.organization_id and endpoint.id = delivery.endpoint_id
     where delivery.organization_id = bound_organization() and delivery.id = ${id}`)
}

export interface DeliveryOutcome {
  status: 'delivered' | 'refused' | 'failed'
  response_status: number | null
  attempt: number
  error: string | null
}

/** Notes what came of a delivery. */
export async function noteDelivery(db: CommonQueryMethods, id: string, outcome: DeliveryOutcome): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update webhook_deliveries
       set status = ${outcome.status}, response_status = ${outcome.response_status}, attempt = ${outcome.attempt}, error = ${outcome.error},
           delivered_at = case when ${outcome.status} = 'delivered' then now() end
     where organization_id = bound_organization() and id = ${id}`)
}

const wordless = z.object({ organization_id: z.string(), id: z.string() })

/** Deliveries of any organisation whose jobs have ended without a word about them, the oldest first. For the installation's role. */
export async function deliveriesWithoutWord(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof wordless>[]> {
  return db.any(sql.type(wordless)`select organization_id, id from deliveries_without_word(${limit}::int4)`)
}

const ending = z.object({ endpoint_id: z.string(), job_id: z.number(), job_status: z.enum(['failed', 'cancelled']), error: z.string().nullable() })

/** Notes that a pending delivery has ended with its job. @returns null where it waits for another one by now, or was noted */
export async function endDelivery(db: CommonQueryMethods, id: string): Promise<z.infer<typeof ending> | null> {
  return db.maybeOne(sql.type(ending)`
    update webhook_deliveries delivery set status = 'failed', attempt = job.attempt, error = coalesce(job.last_error, job.status::text)
      from job_queue job
     where delivery.organization_id = bound_organization() and delivery.id = ${id} and delivery.status = 'pending'
       and job.organization_id = delivery.organization_id and job.id = job_ids[cardinality(job_ids)] and job.status in ('failed', 'cancelled')
    returning endpoint_id, job.id as job_id, job.status as job_status, error`)
}

/** Whether the endpoint has taken anything since a delivery was made. */
export async function hasTakenSince(db: CommonQueryMethods, deliveryId: string): Promise<boolean> {
  return db.oneFirst(sql.type(z.object({ taken: z.boolean() }))`
    select exists (
      select from webhook_deliveries taken join webhook_deliveries failed
          on failed.organization_id = taken.organization_id and failed.id = ${deliveryId} and failed.endpoint_id = taken.endpoint_id
       where taken.organization_id = bound_organization() and taken.status = 'delivered' and taken.delivered_at > failed.created_at) as taken`)
}

export interface NewDelivery {
  id: string
  endpoint_id: string
  /** Null for what no event has caused: a test. */
  event_id: number | null
  message_id: string
  event_type: string
  payload: unknown
  happened_at: Date
  job_id: number
}

/** Writes deliveries of the bound organisation. Those of one transaction are a microsecond apart, so that lists keep them in the order in which they are given. */
export async function insertDeliveries(db: CommonQueryMethods, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return
  await db.query(sql.typeAlias('void')`
    insert into webhook_deliveries (id, organization_id, endpoint_id, event_id, message_id, event_type, payload, happened_at, job_ids, created_at)
    select id, bound_organization(), endpoint_id, event_id, message_id, event_type, payload, happened_at, array[job_id], now() + place * interval '1 microsecond'
      from rows from (jsonb_to_recordset(${JSON.stringify(deliveries)}::jsonb) as (
        id uuid, endpoint_id uuid, event_id int8, message_id text, event_type text, payload jsonb, happened_at timestamptz, job_id int8)) with ordinality
        as given (id, endpoint_id, event_id, message_id, event_type, payload, happened_at, job_id, place)`)
}

/** Makes a delivery wait for another job, which sends it again. */
export async function resumeDelivery(db: CommonQueryMethods, id: string, jobId: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update webhook_deliveries
       set status = 'pending', delivered_at = null, response_status = null, error = null, attempt = null, job_ids = (job_ids || ${jobId}::int8)[greatest(1, cardinality(job_ids) - 8):]
     where organization_id = bound_organization() and id = ${id}`)
}

export const deliveryRow = z.object({
  id: z.string(),
  endpoint_id: z.string(),
  event_id: z.number().nullable(),
  message_id: z.string(),
  event_type: z.string(),
  status: z.enum(STATES),
  response_status: z.number().nullable(),
  attempt: z.number().nullable(),
  next_attempt_at: z.date().nullable(),
  error: z.string().nullable(),
  job_id: z.number().nullable(),
  created_at: z.date(),
  delivered_at: z.date().nullable(),
})
const positioned = deliveryRow.extend({ at_us: z.number() })
const detailed = deliveryRow.extend({ payload: z.unknown(), happened_at: z.date() })

/** While a delivery waits, its job knows how often it was tried and what happened; a job that gave up leaves it failed. */
const columns = sql.fragment`
  delivery.id, endpoint_id, event_id, message_id, event_type, response_status, delivery.created_at, delivered_at,
  case when delivery.status = 'pending' and job.status in ('failed', 'cancelled') then 'failed' else delivery.status end as status,
  coalesce(delivery.attempt, job.attempt) as attempt, case when job.status in ('queued', 'retried') then job.run_after end as next_attempt_at,
  coalesce(error, case when delivery.status = 'pending' then job.last_error end) as error, job_ids[cardinality(job_ids)] as job_id`
const source = sql.fragment`webhook_deliveries delivery left join job_queue job on job.organization_id = delivery.organization_id and job.id = job_ids[cardinality(job_ids)]`

/** Deliveries to an endpoint, the newest first, after a position. */
export async function listDeliveries(
  db: CommonQueryMethods,
  endpointId: string,
  filter: { status: (typeof STATES)[number] | null; event_type: string | null },
  page: { after: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof positioned>[]> {
  return db.any(sql.type(positioned)`
    select * from (
      select ${columns}, (extract(epoch from delivery.created_at) * 1000000)::int8 as at_us
        from ${source} where delivery.organization_id = bound_organization() and endpoint_id = ${endpointId}
    ) listed
     where (${filter.status}::text is null or status = ${filter.status}) and (${filter.event_type}::text is null or event_type = ${filter.event_type})
       and (${page.after?.at_us ?? null}::int8 is null or (at_us, id) < (${page.after?.at_us ?? null}::int8, ${page.after?.id ?? null}::uuid))
     order by created_at desc, id desc limit ${page.limit}`)
}

/** A delivery to an endpoint, with what was sent. */
export async function findDelivery(db: CommonQueryMethods, endpointId: string, id: string): Promise<z.infer<typeof detailed> | null> {
  return db.maybeOne(sql.type(detailed)`
    select ${columns}, delivery.payload, happened_at
      from ${source} where delivery.organization_id = bound_organization() and endpoint_id = ${endpointId} and delivery.id = ${id}`)
}

export const attemptRow = z.object({ job_id: z.number(), at: z.date(), attempt: z.number(), outcome: z.string(), details: z.unknown() })

/** How each attempt of a delivery ended, as the logs of its jobs say; those of long ago are gone with their days. */
export async function listAttempts(db: CommonQueryMethods, id: string, limit: number): Promise<readonly z.infer<typeof attemptRow>[]> {
  return db.any(sql.type(attemptRow)`
    select job_id, at, attempt, lower(event::text) as outcome, details
      from job_events
     where organization_id = bound_organization()
       and job_id in (select unnest(job_ids) from webhook_deliveries where organization_id = bound_organization() and id = ${id})
       and from_state in ('running', 'claimed')
       and event in ('SUCCEED', 'FAIL', 'TIMEOUT', 'LOSE', 'CANCEL')
     order by job_id desc, seq desc limit ${limit}`)
}
