import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Keeps a mail that was sent, or that stays here for lack of a mail server. The same job twice is one row. */
export async function insertMail(
  db: CommonQueryMethods,
  mail: { organization_id: string | null; job_id: number; recipient: string; subject: string; body: string; status: 'sent' | 'kept'; message_id: string },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into outgoing_mail (organization_id, job_id, recipient, subject, body, status, message_id)
    values (${mail.organization_id}, ${mail.job_id}, ${mail.recipient}, ${mail.subject}, ${mail.body}, ${mail.status}, ${mail.message_id})
    on conflict (job_id) do nothing`)
}

const delivery = z.object({
  id: z.string(),
  event_type: z.string(),
  payload: z.unknown(),
  status: z.enum(['pending', 'delivered', 'refused']),
  url: z.string(),
  secret: z.string(),
  is_active: z.boolean(),
})
export type WebhookDelivery = z.infer<typeof delivery>

/** A delivery with where it goes; null where the bound organisation has none with this id. */
export async function readDelivery(db: CommonQueryMethods, id: string): Promise<WebhookDelivery | null> {
  return db.maybeOne(sql.type(delivery)`
    select delivery.id, event_type, payload, status, url, secret, is_active
      from webhook_deliveries delivery join webhook_endpoints endpoint on endpoint.id = delivery.endpoint_id
     where delivery.id = ${id}`)
}

/** Notes what came of a delivery. An endpoint that says it is gone for good is switched off. */
export async function noteDelivery(
  db: CommonQueryMethods,
  id: string,
  outcome: { status: 'delivered' | 'refused'; response_status: number | null; attempt: number; endpoint_gone: boolean },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with noted as (
      update webhook_deliveries
         set status = ${outcome.status}, response_status = ${outcome.response_status}, attempt = ${outcome.attempt},
             delivered_at = case when ${outcome.status} = 'delivered' then now() end
       where id = ${id} returning endpoint_id
    )
    update webhook_endpoints set is_active = false, updated_at = now() from noted where webhook_endpoints.id = noted.endpoint_id and ${outcome.endpoint_gone}`)
}
