import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Keeps a mail that was sent, or that stays here for lack of a mail server. The same job twice is one row. */
export async function insertMail(
  db: CommonQueryMethods,
  mail: { organization_id: string | null; job_id: number; recipient: string; subject: string; body: string; status: 'sent' | 'kept'; message_id: string },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into outgoing_mail (organization_id, job_id, recipient, subject, body, status, message_id)
    values (${mail.organization_id}, ${mail.job_id}, ${mail.recipient}, ${mail.subject}, ${mail.body}, ${mail.status}, ${mail.message_id})
    on conflict (job_id) do nothing`)
}
