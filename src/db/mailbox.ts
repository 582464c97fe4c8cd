import { z } from 'zod'
import { ofBound, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const mailRow = z.object({
  id: z.string(),
  organization_id: z.string().nullable(),
  job_id: z.number(),
  to: z.string(),
  subject: z.string(),
  text: z.string(),
  status: z.enum(['sent', 'kept']),
  message_id: z.string(),
  created_at: z.date(),
})

const listed = mailRow.extend({ at_us: z.number() })

/** Mails that went out or are kept here, the newest first. An organisation's connection sees its own only. */
export async function listMail(
  db: CommonQueryMethods,
  filter: { to: string | null },
  page: { before: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof listed>[]> {
  const before = page.before
  return db.any(sql.type(listed)`
    select id, organization_id, job_id, recipient as to, subject, body as text, status, message_id, created_at,
           (extract(epoch from created_at) * 1000000)::int8 as at_us
      from outgoing_mail
     where ${ofBound} and (${filter.to}::text is null or lower(recipient) = lower(${filter.to}))
       and (${before?.at_us ?? null}::int8 is null
            or ((extract(epoch from created_at) * 1000000)::int8, id) < (${before?.at_us ?? null}::int8, ${before?.id ?? null}::uuid))
     order by created_at desc, id desc limit ${page.limit}`)
}
