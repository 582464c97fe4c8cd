import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Something that a person at the machine's command line did: no user of the service, but an account of the machine. */
export interface MachineAct {
  organization_id: string | null
  action: string
  entity_type: string
  entity_id: string
  details: Record<string, unknown>
}

/** Notes it in the audit log, in the transaction of what was done; the actor is empty and `details` says who. */
export async function auditMachineAct(db: CommonQueryMethods, act: MachineAct): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into audit_log (organization_id, actor_id, action, entity_type, entity_id, details)
    values (${act.organization_id}, null, ${act.action}, ${act.entity_type}, ${act.entity_id}, ${JSON.stringify(act.details)}::jsonb)`)
}
