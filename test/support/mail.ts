import assert from 'node:assert/strict'
import { bindOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { sendEmail } from '#jobs/send-email.ts'
import type { TestDatabase } from './database.ts'

interface MailJob {
  id: string
  organization_id: string | null
  payload: unknown
}

/** Sends the mails that wait, as a worker would; without a mail server they are kept. @returns how many */
export async function sendWaitingMail(database: TestDatabase): Promise<number> {
  const jobs = await database.owner<MailJob>(
    "select id, organization_id, payload from job_queue where job_type = 'SEND_EMAIL' and status = 'queued' order by id",
  )
  for (const job of jobs) {
    const transaction = <T>(work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> =>
      database.system.transaction(async (tx) => {
        if (job.organization_id !== null) await bindOrganization(tx, job.organization_id)
        return work(tx)
      })
    const outcome = await sendEmail.run({
      id: Number(job.id),
      organization_id: job.organization_id,
      attempt: 1,
      payload: sendEmail.payload.parse(job.payload),
      signal: new AbortController().signal,
      progress: () => {},
      read: transaction,
    })
    assert.equal(outcome.kind, 'succeed')
    if (outcome.kind === 'succeed' && outcome.writes) await transaction(outcome.writes)
    await database.owner("update job_queue set status = 'cancelled', version = version + 1, finished_at = now() where id = $1", [job.id])
    await database.owner('delete from job_ready where job_id = $1', [job.id])
  }
  return jobs.length
}

/** The token that the newest mail to somebody carries. */
export async function mailedToken(database: TestDatabase, email: string): Promise<string> {
  await sendWaitingMail(database)
  const [mail] = await database.owner<{ body: string }>('select body from outgoing_mail where recipient = $1 order by created_at desc, job_id desc limit 1', [
    email,
  ])
  const token = /token=([\w-]+)/.exec(mail?.body ?? '')?.[1]
  assert.ok(token, `no token in ${mail?.body}`)
  return token
}
