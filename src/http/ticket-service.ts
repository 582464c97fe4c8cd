import type { CommonQueryMethods } from '#db/pool.ts'
import { findService } from '#db/services.ts'
import { refusal } from './refusal.ts'

/** @throws a refusal with 422 where the organisation does not offer this service */
export async function requireActiveService(db: CommonQueryMethods, id: string): Promise<void> {
  if (await findService(db, { inactive: false }, id)) return
  throw refusal(422, 'The service is not on offer.', { errors: [{ location: 'body', path: 'service_id', message: 'does not exist' }] })
}
