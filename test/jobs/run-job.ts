import { randomUUID } from 'node:crypto'
import { bindOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import type { JobType, Outcome } from '#jobs/job-type.ts'
import type { TestDatabase } from '../support/database.ts'

let jobs = 1_000

/** Runs a handler as a worker does: reads bound to the organisation, then its writes in one transaction. */
export async function runJob<Payload>(database: TestDatabase, type: JobType<Payload>, organizationId: string | null, payload: Payload): Promise<Outcome> {
  const transaction = <T>(work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> =>
    database.system.transaction(async (tx) => {
      if (organizationId !== null) await bindOrganization(tx, organizationId)
      return work(tx)
    })
  const outcome = await type.run({
    id: (jobs += 1),
    organization_id: organizationId,
    attempt: 1,
    payload: type.payload.parse(payload),
    signal: new AbortController().signal,
    progress: () => {},
    read: transaction,
  })
  if (outcome.kind === 'succeed' && outcome.writes) await transaction(outcome.writes)
  return outcome
}

export function resultOf(outcome: Outcome): Record<string, unknown> {
  return (outcome as { result?: Record<string, unknown> }).result ?? {}
}

/** An organisation with a customer and an agent. */
export interface Tenant {
  id: string
  customer: string
  agent: string
}

export async function newTenant(database: TestDatabase): Promise<Tenant> {
  const [organization] = await database.owner<{ id: string }>('insert into organizations (slug, name) values ($1, $1) returning id', [`o-${randomUUID()}`])
  const id = organization!.id
  const user = async (role: string): Promise<string> => {
    const [row] = await database.owner<{ id: string }>(
      `insert into users (organization_id, email, password_hash, full_name, role) values ($1, $2, 'x', $3, $4::user_role) returning id`,
      [id, `${role}@${id}.test`, `Robin ${role}`, role],
    )
    return row!.id
  }
  return { id, customer: await user('customer_user'), agent: await user('agent') }
}

export async function newService(database: TestDatabase, tenant: Tenant, name: string, description = ''): Promise<string> {
  const [row] = await database.owner<{ id: string }>('insert into services (organization_id, name, description) values ($1, $2, $3) returning id', [
    tenant.id,
    name,
    description,
  ])
  return row!.id
}

/** A ticket of the tenant's customer; `columns` says what differs from a new one. */
export async function newTicket(database: TestDatabase, tenant: Tenant, columns: Record<string, unknown> & { subject: string }): Promise<string> {
  const values: Record<string, unknown> = { description: columns.subject, ...columns, organization_id: tenant.id, requester_id: tenant.customer }
  const names = Object.keys(values)
  const [row] = await database.owner<{ id: string }>(
    `with next as (update organizations set last_ticket_number = last_ticket_number + 1 where id = '${tenant.id}' returning last_ticket_number)
     insert into tickets (number, ${names.join(', ')}) select last_ticket_number, ${names.map((_, index) => `$${index + 1}`).join(', ')} from next returning id`,
    Object.values(values),
  )
  return row!.id
}
