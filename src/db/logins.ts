import { createHmac } from 'node:crypto'
import { withClient } from './migrations.ts'

/** The addresses under which the two service roles log in. */
export interface ServiceUrls {
  app: string
  system: string
}

const ROLES = ['atum_app', 'atum_system'] as const

/**
 * The service's own addresses, derived from the owner's: every process that has DATABASE_URL finds the same ones, and
 * no second secret has to be handed round.
 */
export function serviceUrls(ownerUrl: string): ServiceUrls {
  return { app: loginUrl(ownerUrl, 'atum_app'), system: loginUrl(ownerUrl, 'atum_system') }
}

function loginUrl(ownerUrl: string, role: (typeof ROLES)[number]): string {
  const url = new URL(ownerUrl)
  const password = passwordOf(ownerUrl, role)
  url.username = role
  url.password = password
  return url.href
}

function passwordOf(ownerUrl: string, role: string): string {
  const { password, username } = new URL(ownerUrl)
  return createHmac('sha256', `${username}:${decodeURIComponent(password)}`)
    .update(`atum-desk login ${role}`)
    .digest('base64url')
}

/**
 * Lets the two roles log in. They stay what the baseline made them: owners of nothing, no superusers, bound by
 * row-level security. A transaction that is left open by a lost process ends by itself after a minute.
 */
export async function allowServiceLogins(ownerUrl: string): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock(7241865325823965)')
    for (const role of ROLES) {
      const { rows } = await client.query<{ rolsuper: boolean }>('select rolsuper from pg_roles where rolname = $1', [role])
      if (rows[0]?.rolsuper)
        throw new Error(`The role ${role} is a superuser: row-level security would not bind it. Take that away: alter role ${role} nosuperuser`)
      await client.query(`alter role ${role} login nobypassrls password ${client.escapeLiteral(passwordOf(ownerUrl, role))}`)
      await client.query(`alter role ${role} set idle_in_transaction_session_timeout = '60s'`)
    }
  })
}
