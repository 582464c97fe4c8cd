import { randomBytes } from 'node:crypto'
import {
  demoOrganizationExists,
  insertDemoArticles,
  insertDemoOrganization,
  insertDemoPolicy,
  insertDemoServices,
  insertDemoTickets,
  insertDemoUser,
} from '#db/demo.ts'
import type { DemoTicket } from '#db/demo.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { bindOrganization } from '#db/pool.ts'
import type { CommonQueryMethods, Database, DatabaseTransactionConnection } from '#db/pool.ts'
import { upsertSlaCycles } from '#db/sla.ts'
import { slaTicketsAfter } from '#db/sla-tickets.ts'
import { newJob } from '#jobs/job-type.ts'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import { cyclesOf, readTicketClocks } from '#sla/ticket-clocks.ts'
import { ARTICLES } from './articles.ts'
import { SERVICES } from './services.ts'
import { OPEN, SOLVED } from './tickets.ts'

const ORGANIZATION = { slug: 'brewline', name: 'Brewline Coffee Leasing' }
const DOMAIN = 'brewline.example'

const PEOPLE = [
  { role: 'customer_user', name: 'Noor Haddad', local: 'noor' },
  { role: 'customer_admin', name: 'Ida Lindqvist', local: 'ida' },
  { role: 'agent', name: 'Tomás Pereira', local: 'tomas' },
  { role: 'manager', name: 'Grace Okafor', local: 'grace' },
  { role: 'admin', name: 'Jun Tanaka', local: 'jun' },
] as const
type Role = (typeof PEOPLE)[number]['role']

const WEEK = Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['08:00', '18:00']]]))
const POLICY = {
  calendar: { tz: 'Europe/Berlin', week: WEEK, holidays: ['2026-12-25', '2027-01-01'], special: { '2026-12-24': [['08:00', '12:00']] } },
  first_response_minutes: { low: 480, medium: 240, high: 120, urgent: 30 },
  resolution_minutes: { low: 2_400, medium: 1_200, high: 600, urgent: 240 },
}

/** The solved tickets lie in the last four weeks, in this many minutes. */
const PAST_MINUTES = 27 * 24 * 60
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** Who can sign in to the demo organisation, with passwords that are shown once and kept nowhere but as hashes. */
export interface DemoSignIns {
  organization: string
  users: { role: string; email: string; password: string }[]
  operator: { email: string; password: string }
}

/** Makes the demo organisation: all of it in one transaction, with the jobs that its open tickets cause. @returns null where it is there already */
export async function seedDemo(database: Database, people: { hash(password: string): Promise<string> }): Promise<DemoSignIns | null> {
  if (await demoOrganizationExists(database.system, ORGANIZATION.slug)) return null
  const users = await Promise.all(PEOPLE.map(async (person) => ({ ...person, email: `${person.local}@${DOMAIN}`, ...(await newPassword(people)) })))
  const operator = { email: `operator@${DOMAIN}`, ...(await newPassword(people)) }
  return database.system.transaction(async (tx) => {
    const organizationId = await insertDemoOrganization(tx, ORGANIZATION)
    if (organizationId === null) return null
    await bindOrganization(tx, organizationId)
    const ids = {} as Record<Role, string>
    for (const { role, name, email, hash } of users) ids[role] = await insertDemoUser(tx, organizationId, { email, full_name: name, role, password_hash: hash })
    await insertDemoUser(tx, null, { email: operator.email, full_name: 'Operator', role: 'operator', password_hash: operator.hash })
    await seedContent(tx, organizationId, ids)
    return {
      organization: ORGANIZATION.slug,
      users: users.map(({ role, email, password }) => ({ role, email, password })),
      operator: { email: operator.email, password: operator.password },
    }
  })
}

async function newPassword(people: { hash(password: string): Promise<string> }): Promise<{ password: string; hash: string }> {
  const password = randomBytes(12).toString('base64url')
  return { password, hash: await people.hash(password) }
}

async function seedContent(tx: DatabaseTransactionConnection, organizationId: string, ids: Record<Role, string>): Promise<void> {
  const services = new Map((await insertDemoServices(tx, SERVICES)).map(({ id, name }) => [name, id]))
  const policyId = await insertDemoPolicy(tx, POLICY)
  const articles = await insertDemoArticles(tx, ids.manager, ARTICLES)
  const solvedIds = await insertDemoTickets(
    tx,
    SOLVED.map((_, index) => solvedTicket(index, ids, services, policyId)),
  )
  await recordCycles(tx)
  const open = OPEN.map((ticket, index): DemoTicket => ({ ...ticket, requester_id: ids.customer_user, created_ago: (OPEN.length - index) * 17 }))
  const ticketIds = await insertDemoTickets(tx, open)
  await enqueueJobs(tx, [
    ...ticketIds.flatMap((ticket_id) => TICKET_JOB_TYPES.map((name) => newJob(jobTypes.get(name)!, organizationId, { ticket_id }))),
    ...articles.map((source_id) => newJob(jobTypes.get('RAG_INDEX')!, organizationId, { source_type: 'kb', source_id })),
    ...solvedIds.map((source_id) => newJob(jobTypes.get('RAG_INDEX')!, organizationId, { source_type: 'ticket', source_id })),
  ])
}

/** The oldest first. How long answer and solution took follows from the position, so that every demo shows the same figures. */
function solvedTicket(index: number, ids: Record<Role, string>, services: ReadonlyMap<string, string>, policy_id: string): DemoTicket {
  // Neighbours in the list are of one service; a stride that shares no factor with the length spreads them over the weeks.
  const { service, ...ticket } = SOLVED[(index * 7) % SOLVED.length]!
  const created_ago = PAST_MINUTES - (index * (PAST_MINUTES - 3_000)) / SOLVED.length
  const accepted_ago = created_ago - 5 - ((index * 11) % 40)
  const answered_ago = accepted_ago - 10 - ((index * 37) % 150)
  const resolved_ago = answered_ago - 20 - ((index * 53) % 900)
  const agent_id = index % 3 === 0 ? ids.manager : ids.agent
  const requester_id = index % 4 === 0 ? ids.customer_admin : ids.customer_user
  return { ...ticket, service_id: services.get(service)!, requester_id, agent_id, policy_id, created_ago, accepted_ago, answered_ago, resolved_ago }
}

/** The clocks of the solved tickets, as the SLA check would record them. */
async function recordCycles(db: CommonQueryMethods): Promise<void> {
  const tickets = await slaTicketsAfter(db, NO_ID, SOLVED.length)
  await upsertSlaCycles(
    db,
    tickets.flatMap((ticket) => cyclesOf(ticket, readTicketClocks(ticket, ticket.now.getTime()))),
  )
}
