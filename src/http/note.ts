import type { FastifyRequest } from 'fastify'
import { insertAudit } from '#db/audit.ts'
import type { AuditEntry } from '#db/audit.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { identityOf } from './scope.ts'

/** Notes in the audit what the asker of this request does, in the transaction of what is done. */
export function note(
  tx: CommonQueryMethods,
  request: FastifyRequest,
  entry: Pick<AuditEntry, 'action' | 'entity_type' | 'entity_id' | 'details'> & { organization_id?: string | null },
): Promise<void> {
  const { organization_id, user_id } = identityOf(request)
  return insertAudit(tx, { organization_id, ...entry, actor_id: user_id, request_id: request.id })
}
