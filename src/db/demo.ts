import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const id = z.object({ id: z.string() })
const named = z.object({ id: z.string(), name: z.string() })

/** Makes an organisation, or answers null where its slug is taken. */
export async function insertDemoOrganization(db: CommonQueryMethods, organization: { slug: string; name: string }): Promise<string | null> {
  const row = await db.maybeOne(sql.type(id)`
    insert into organizations (slug, name) values (${organization.slug}, ${organization.name}) on conflict (slug) do nothing returning id`)
  return row?.id ?? null
}

export async function demoOrganizationExists(db: CommonQueryMethods, slug: string): Promise<boolean> {
  return (await db.maybeOne(sql.type(id)`select id from organizations where slug = ${slug}`)) !== null
}

/** @param organizationId null for an operator of the installation */
export async function insertDemoUser(
  db: CommonQueryMethods,
  organizationId: string | null,
  user: { email: string; full_name: string; role: string; password_hash: string },
): Promise<string> {
  const row = await db.one(sql.type(id)`
    insert into users (organization_id, email, password_hash, full_name, role)
    values (${organizationId}, ${user.email}, ${user.password_hash}, ${user.full_name}, ${user.role}::user_role) returning id`)
  return row.id
}

export async function insertDemoServices(db: CommonQueryMethods, services: readonly unknown[]): Promise<readonly z.infer<typeof named>[]> {
  return db.any(sql.type(named)`
    insert into services (organization_id, name, description, default_priority)
    select bound_organization(), name, description, default_priority
      from jsonb_to_recordset(${JSON.stringify(services)}::jsonb) as given (name text, description text, default_priority ticket_priority)
    returning id, name`)
}

export async function insertDemoArticles(db: CommonQueryMethods, authorId: string, articles: readonly unknown[]): Promise<readonly string[]> {
  return db.anyFirst(sql.type(id)`
    with category as (
      insert into kb_categories (organization_id, name, description, is_internal)
      values (bound_organization(), 'Help', 'For customers', false), (bound_organization(), 'Internal', 'For staff', true)
      returning id, is_internal
    )
    insert into kb_articles (organization_id, category_id, slug, title, content, is_internal, is_published, author_id, published_at)
    select bound_organization(), category.id, slug, title, content, coalesce(internal, false), true, ${authorId}, now()
      from jsonb_to_recordset(${JSON.stringify(articles)}::jsonb) as given (slug text, title text, content text, internal boolean)
      join category on category.is_internal = coalesce(internal, false)
    returning id`)
}

/** A calendar and the default policy that counts by it. */
export async function insertDemoPolicy(
  db: CommonQueryMethods,
  policy: { calendar: unknown; first_response_minutes: unknown; resolution_minutes: unknown },
): Promise<string> {
  const row = await db.one(sql.type(id)`
    with calendar as (
      insert into sla_calendars (organization_id, name, definition)
      values (bound_organization(), 'Office hours', ${JSON.stringify(policy.calendar)}::jsonb) returning id
    )
    insert into sla_policies (organization_id, name, calendar_id, is_default, first_response_minutes, resolution_minutes)
    select bound_organization(), 'Standard', id, true, ${JSON.stringify(policy.first_response_minutes)}::jsonb, ${JSON.stringify(policy.resolution_minutes)}::jsonb
      from calendar returning id`)
  return row.id
}

/** Tickets with their answers. Times are given as minutes before now; a ticket without `resolved_ago` is new. */
export interface DemoTicket {
  subject: string
  description: string
  requester_id: string
  created_ago: number
  service_id?: string
  priority?: string
  tags?: readonly string[]
  agent_id?: string
  policy_id?: string
  accepted_ago?: number
  answered_ago?: number
  resolved_ago?: number
  answer?: string
}

/** Numbers and inserts the tickets in their order; @returns their ids in the same order */
export async function insertDemoTickets(db: CommonQueryMethods, tickets: readonly DemoTicket[]): Promise<readonly string[]> {
  return db.anyFirst(sql.type(id)`
    with numbered as (
      update organizations set last_ticket_number = last_ticket_number + ${tickets.length} where id = bound_organization()
      returning last_ticket_number - ${tickets.length} as before
    ), given as materialized (
      select gen_random_uuid() as id, before + ordinality::integer as number, given.*
        from numbered, rows from (jsonb_to_recordset(${JSON.stringify(tickets)}::jsonb) as (
          subject text, description text, requester_id uuid, created_ago float8, service_id uuid, priority ticket_priority, tags text[], agent_id uuid,
          policy_id uuid, accepted_ago float8, answered_ago float8, resolved_ago float8, answer text)) with ordinality as given
    ), made as (
      insert into tickets (id, organization_id, number, requester_id, service_id, subject, description, status, priority, tags, assigned_to, accepted_by,
                           accepted_at, sla_policy_id, sla_started_at, resolved_at, closed_at, created_at, updated_at)
      select id, bound_organization(), number, requester_id, service_id, subject, description,
             case when resolved_ago is null then 'new' else 'closed' end::ticket_status, coalesce(priority, 'medium'), coalesce(tags, '{}'), agent_id, agent_id,
             now() - accepted_ago * interval '1 minute', policy_id, now() - accepted_ago * interval '1 minute', now() - resolved_ago * interval '1 minute',
             now() - resolved_ago * interval '1 minute', now() - created_ago * interval '1 minute', now() - coalesce(resolved_ago, created_ago) * interval '1 minute'
        from given order by number
      returning id
    ), answered as (
      insert into comments (organization_id, ticket_id, author_id, content, created_at)
      select bound_organization(), given.id, agent_id, answer, now() - answered_ago * interval '1 minute' from given join made using (id) where answer is not null
    )
    select id from given order by number`)
}
