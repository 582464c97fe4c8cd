import { deliveriesWithoutWord, endDelivery, hasTakenSince } from '#db/deliveries.ts'
import { bindOrganization } from '#db/pool.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { metrics } from '#metrics.ts'
import { WEBHOOK_ATTEMPTS } from './webhook-job.ts'
import { switchOff } from './webhook-switch.ts'

/** A run of the schedule settles so many; the others are the next run's. */
const SETTLED_MAX = 500

/**
 * Notes deliveries whose job has failed where no handler could say so: its last attempt ran out of time, or its worker was
 * lost. What follows is what follows a refused last attempt; a job that somebody cancelled says nothing of the endpoint.
 *
 * @returns how many were settled
 */
export async function settleDeliveries(tx: CommonQueryMethods): Promise<number> {
  let settled = 0
  for (const { organization_id, id } of await deliveriesWithoutWord(tx, SETTLED_MAX)) {
    await bindOrganization(tx, organization_id)
    const ended = await endDelivery(tx, id)
    if (!ended) continue
    settled += 1
    metrics.webhookDeliveries.inc({ outcome: 'failed' })
    if (ended.job_status === 'cancelled' || (await hasTakenSince(tx, id))) continue
    await switchOff(tx, { organization_id, endpoint_id: ended.endpoint_id, delivery_id: id, job_id: ended.job_id }, reasonOf(ended.error))
  }
  await bindOrganization(tx, '')
  return settled
}

/** Why an endpoint is switched off that took nothing, by what its last attempt met. */
export const reasonOf = (error: string | null): string => `it has taken nothing over ${WEBHOOK_ATTEMPTS} attempts in about a day; the last one: ${error}`
