import { createHmac } from 'node:crypto'
import type pg from 'pg'
import { sqlState } from './errors.ts'
import { withClient } from './migrations.ts'

/** The addresses under which the two service roles log in. */
export interface ServiceUrls {
  app: string
  system: string
}

/** The database cannot be set up as the service needs it; the message says what its administrator can do. */
export class LoginSetupError extends Error {
  override name = 'LoginSetupError'
}

const ROLES = ['atum_app', 'atum_system'] as const
type Role = (typeof ROLES)[number]
const SETUP_LOCK = '7241865325823965'
/** What PostgreSQL says to the second one that changes a row of its catalogue at the same time. */
const COLLISION = /tuple concurrently (updated|deleted)/
/** So many other databases of a cluster may get in the way. */
const COLLISIONS_MAX = 20

/**
 * The service's own addresses, derived from the owner's: every process that has DATABASE_URL finds the same ones, and
 * no second secret has to be handed round.
 *
 * @throws LoginSetupError where the address has no place for a user
 */
export function serviceUrls(ownerUrl: string): ServiceUrls {
  return { app: loginUrl(ownerUrl, 'atum_app'), system: loginUrl(ownerUrl, 'atum_system') }
}

function loginUrl(ownerUrl: string, role: Role): string {
  const url = new URL(ownerUrl)
  // What stands behind the question mark would go before it, and the service would go on as the owner.
  for (const name of ['user', 'password']) url.searchParams.delete(name)
  url.username = role
  url.password = passwordOf(ownerUrl, role) ?? ''
  // Without a host a URL takes no user, and the service would go on as the owner, whom row-level security does not bind.
  if (url.username !== role) throw new LoginSetupError('DATABASE_URL names no host. Name one: postgres://user:password@host/database')
  return url.href
}

/** Null where the owner needs none: the server trusts its connections then, or asks for something other than a password. */
function passwordOf(ownerUrl: string, role: Role): string | null {
  const { password, username } = new URL(ownerUrl)
  if (password === '') return null
  return createHmac('sha256', `${username}:${decodeURIComponent(password)}`)
    .update(`atum-desk login ${role}`)
    .digest('base64url')
}

/**
 * Finds out, before anything is changed, whether the role of `ownerUrl` may make the service's roles.
 *
 * @throws LoginSetupError that says what to grant
 */
export async function checkOwner(ownerUrl: string): Promise<void> {
  serviceUrls(ownerUrl)
  await withClient(ownerUrl, async (client) => {
    const { rows } = await client.query<{ name: string; makes_roles: boolean; makes_tables: boolean; missing: number }>(
      `select current_user as name, rolsuper or rolcreaterole as makes_roles,
              has_schema_privilege('public', 'create') as makes_tables,
              (select $1 - count(*)::int from pg_roles where rolname = any ($2)) as missing
         from pg_roles where rolname = current_user`,
      [ROLES.length, ROLES],
    )
    const owner = rows[0]!
    if (!owner.makes_tables)
      throw new LoginSetupError(
        `The role ${owner.name} of DATABASE_URL may not create tables. As an administrator: alter database ${databaseOf(ownerUrl)} owner to ${client.escapeIdentifier(owner.name)}`,
      )
    if (!owner.makes_roles && owner.missing > 0) throw new LoginSetupError(mayNotMakeRoles(client, owner.name))
  })
}

function mayNotMakeRoles(client: pg.Client, name: string): string {
  return `The role ${name} of DATABASE_URL may not create roles, and the service needs two of its own (${ROLES.join(', ')}).\nAs an administrator: alter role ${client.escapeIdentifier(name)} createrole`
}

/**
 * Lets the two roles log in. They stay what the baseline made them: owners of nothing, no superusers, bound by
 * row-level security. A transaction that is left open by a lost process ends by itself after a minute.
 *
 * @throws LoginSetupError that says what an administrator has to change
 */
export async function allowServiceLogins(ownerUrl: string): Promise<void> {
  const urls = serviceUrls(ownerUrl)
  for (let left = COLLISIONS_MAX; ; left -= 1) {
    try {
      await changeLogins(ownerUrl, urls)
      break
    } catch (error) {
      // The lock is one of this database; another one of the same cluster sets up the same two roles.
      if (left === 0 || !COLLISION.test((error as Error).message)) throw error
    }
  }
  for (const url of [urls.app, urls.system]) {
    const fault = await loginFault(url)
    if (fault === null) continue
    const { username, password } = new URL(url)
    const advice = password
      ? 'Does pg_hba.conf let it in from here?'
      : 'Put the password into DATABASE_URL: the service derives those of its own roles from it.'
    throw new LoginSetupError(`The role ${username} cannot log in: ${fault}. ${advice}`)
  }
}

async function changeLogins(ownerUrl: string, urls: ServiceUrls): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    // Starts at the same time would change the same rows of the catalogue, which PostgreSQL refuses. The lock ends with the
    // transaction: behind a pooler a session lock would stay with the server's connection.
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(${SETUP_LOCK})`)
    for (const role of ROLES) {
      await checkBound(client, role)
      if ((await loginFault(urls[role === 'atum_app' ? 'app' : 'system'])) !== null) await allowLogin(client, role, passwordOf(ownerUrl, role))
    }
    await client.query('commit')
  })
}

/** Makes the two roles where they are not there yet, for grants of theirs that come before a migration. */
export async function ensureServiceRoles(ownerUrl: string): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    for (const role of ROLES) {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
      if (!rowCount) await client.query(`create role ${role} nologin`).catch(unlessThere)
    }
  })
}

/** Another database of the cluster was quicker. */
function unlessThere(error: unknown): void {
  if (!['42710', '23505'].includes(sqlState(error) ?? '')) throw error
}

async function checkBound(client: pg.Client, role: Role): Promise<void> {
  const { rows } = await client.query<{ rolsuper: boolean; rolbypassrls: boolean }>('select rolsuper, rolbypassrls from pg_roles where rolname = $1', [role])
  if (rows[0]?.rolsuper || rows[0]?.rolbypassrls)
    throw new LoginSetupError(`Row-level security would not bind the role ${role}. As an administrator: alter role ${role} nosuperuser nobypassrls`)
}

async function allowLogin(client: pg.Client, role: Role, password: string | null): Promise<void> {
  try {
    await client.query(`alter role ${role} login${password === null ? '' : ` password ${client.escapeLiteral(password)}`}`)
    await client.query(`alter role ${role} set idle_in_transaction_session_timeout = '60s'`)
    // The statements of the engine look rows up by hundreds of keys: priced for spinning disks, the planner reads whole tables instead.
    await client.query(`alter role ${role} set random_page_cost = 1.1`)
  } catch (error) {
    if (sqlState(error) !== '42501') throw error
    throw new LoginSetupError(
      `The role of DATABASE_URL may not change the role ${role} (${(error as Error).message}); another role has made it.\nAs an administrator: grant ${role} to the role of DATABASE_URL with admin option, and give it createrole.`,
    )
  }
}

/** Why the address cannot log in; null where it can. @throws what has nothing to do with the login */
async function loginFault(url: string): Promise<string | null> {
  try {
    const user = await withClient(url, async (client) => (await client.query<{ name: string }>('select current_user as name')).rows[0]?.name)
    return user === new URL(url).username ? null : `one arrives as ${user}`
  } catch (error) {
    if (sqlState(error)?.startsWith('28') || /password/i.test((error as Error).message)) return (error as Error).message
    throw error
  }
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1) || 'the database'
}
