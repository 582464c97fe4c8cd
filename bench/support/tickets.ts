import { withOwner } from './database.ts'

/** Tickets a statement: a transaction of bearable size. */
const CHUNK = 50_000
/** Words that there are; the n-th comes 1/n as often as the first. */
export const VOCABULARY = 20_000
const WORDS = { subject: 6, description: 40, comment: 15 }
/** Comments for so many tickets: one. Every other one is internal. */
const TICKETS_PER_COMMENT = 5
/** The share of the tickets, the newest ones, that is still worked on. */
export const OPEN_SHARE = 0.05
export const OPEN_STATES = ['new', 'accepted', 'assigned', 'in_progress', 'waiting_customer'] as const
const AGENTS = 50
/** Requesters among whom the tickets are spread. */
const CUSTOMERS = 2_000

/** The n-th word, as SQL says it too: a number in letters. */
export function wordAt(n: number): string {
  return (n + 65_536).toString(16).replaceAll(/[0-9a-f]/g, (digit) => 'bdfgklmnprstvzxq'[Number.parseInt(digit, 16)]!)
}
const word = `translate(to_hex(floor(exp(random() * ln(${VOCABULARY})))::int + 65536), '0123456789abcdef', 'bdfgklmnprstvzxq')`
const text = (words: number, row: string): string => `(select string_agg(${word}, ' ') from generate_series(1, ${words}) where ${row} is not null)`

/**
 * Tickets of an organisation with comments, written behind the program's back: triggers off, as only the owner may, and the
 * index of their words made at the end. What triggers would have written is written here.
 *
 * @returns one of the requesters, and one of those who work on them
 */
export async function fillTickets(
  url: string,
  organizationId: string,
  tickets: number,
  say: (line: string) => void,
): Promise<{ customer: string; agent: string }> {
  return withOwner(url, async (client) => {
    const people = async (role: string, count: number): Promise<string[]> => {
      const { rows } = await client.query<{ id: string }>(
        `insert into users (organization_id, email, password_hash, full_name, role)
         select $1, $2::text || n || '@example.com', 'none', 'The ' || n, $2::text::user_role from generate_series(1, $3::int) n returning id`,
        [organizationId, role, count],
      )
      return rows.map(({ id }) => id)
    }
    const [customers, agents] = [await people('customer_user', CUSTOMERS), await people('agent', AGENTS)]
    const closed = Math.ceil(tickets * (1 - OPEN_SHARE))
    await client.query('drop index ticket_texts_words')
    const ranges = Array.from({ length: Math.ceil(tickets / CHUNK) }, (_, index) => [index * CHUNK + 1, Math.min(tickets, (index + 1) * CHUNK)] as const)
    await Promise.all(
      [0, 1].map((lane) =>
        withOwner(url, async (writer) => {
          await writer.query('set session_replication_role = replica')
          for (const [from, to] of ranges.filter((_, index) => index % 2 === lane)) {
            await writer.query(
              `insert into tickets (organization_id, number, requester_id, subject, description, status, priority, tags, assigned_to, sla_started_at, sla_due_at,
                                    resolved_at, closed_at, created_at, updated_at)
               select $1, n, ($2::uuid[])[1 + n % ${CUSTOMERS}], ${text(WORDS.subject, 'n')}, ${text(WORDS.description, 'n')},
                      case when n > $6 then (array['${OPEN_STATES.join("','")}'])[1 + n % 5] when n % 500 = 0 then 'cancelled' else 'closed' end::ticket_status,
                      (array['low','medium','high','urgent'])[1 + n % 4]::ticket_priority,
                      case when n % 10 = 0 then array['vpn'] when n % 5000 = 1 then array['rare'] else '{}' end,
                      case when n <= $6 or n % 5 > 1 then ($7::uuid[])[1 + n / 7 % ${AGENTS}] end,
                      case when n <= $6 or n % 5 > 0 then at end,
                      case when n <= $6 then at + interval '2 days' when n % 5 > 0 then now() + make_interval(mins => (n::int8 * 7919 % 10000)::int - 300) end,
                      case when n <= $6 then at + make_interval(mins => n % 3000) end, case when n <= $6 then at + interval '3 days' end, at, at
                 from generate_series($3::int, $4::int) n cross join lateral (select now() - make_interval(mins => $5::int - n) as at) filed`,
              [organizationId, customers, from, to, tickets, closed, agents],
            )
            await writer.query(
              `insert into comments (organization_id, ticket_id, author_id, content, is_internal)
               select organization_id, id, requester_id, ${text(WORDS.comment, 'id')}, number % 2 = 0
                 from tickets where organization_id = $1 and number between $2 and $3 and number % ${TICKETS_PER_COMMENT} = 0`,
              [organizationId, from, to],
            )
            await writer.query(
              `insert into ticket_texts (organization_id, ticket_id, number, requester_id, words)
               select organization_id, id, number, requester_id, searchable(ticket_words(subject, description), organization_id, number)
                 from tickets where organization_id = $1 and number between $2 and $3`,
              [organizationId, from, to],
            )
            await writer.query(
              `insert into ticket_texts (organization_id, ticket_id, comment_id, number, requester_id, is_internal, words)
               select ticket.organization_id, ticket.id, comment.id, number, requester_id, is_internal,
                      searchable(to_tsvector('english', content), ticket.organization_id, number)
                 from tickets ticket join comments comment on comment.organization_id = ticket.organization_id and comment.ticket_id = ticket.id
                where ticket.organization_id = $1 and number between $2 and $3`,
              [organizationId, from, to],
            )
            say(`made tickets up to number ${to}`)
          }
        }),
      ),
    )
    await client.query('update organizations set last_ticket_number = $2 where id = $1', [organizationId, tickets])
    say('making the index of their words')
    await client.query(`set maintenance_work_mem = '1GB'`)
    await client.query('create index ticket_texts_words on ticket_texts using gin (words) with (gin_pending_list_limit = 256)')
    await client.query('analyze')
    return { customer: customers[0]!, agent: agents[0]! }
  })
}
