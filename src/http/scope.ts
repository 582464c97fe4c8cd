import type { FastifyRequest } from 'fastify'
import { inOrganization } from '#db/pool.ts'
import type { Database, DatabaseTransactionConnection } from '#db/pool.ts'
import { metrics } from '#metrics.ts'
import { refusal } from './refusal.ts'
import type { Identity } from './tokens.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null before sign-in. */
    identity: Identity | null
  }
}

/** Somebody of an organisation. */
export type Tenant = Identity & { organization_id: string }

export function identityOf(request: FastifyRequest): Identity {
  if (!request.identity) throw refusal(401, 'Sign in first.')
  return request.identity
}

/** Who asks, as somebody of an organisation. */
export function tenantOf(request: FastifyRequest): Tenant {
  const identity = identityOf(request)
  if (identity.organization_id === null) {
    metrics.contextMissing.inc({ endpoint: request.routeOptions.url ?? 'unmatched' })
    throw refusal(403, 'This needs a user of an organisation.')
  }
  return { ...identity, organization_id: identity.organization_id }
}

/** Runs `work` in a transaction that sees what the asker may see: one organisation's rows, or for an operator the installation's. */
export function inScope<T>(database: Database, identity: Identity, work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> {
  return identity.organization_id === null ? database.system.transaction(work) : inOrganization(database.app, identity.organization_id, work)
}

/** Like `inScope`, in the installation's role: for what belongs to sign-in, which an organisation's own role does not see. */
export function inSystem<T>(database: Database, identity: Identity, work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> {
  return identity.organization_id === null ? database.system.transaction(work) : inOrganization(database.system, identity.organization_id, work)
}
