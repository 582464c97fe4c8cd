import { createTransport } from 'nodemailer'
import { z } from 'zod'
import { insertMail } from '#db/outgoing-mail.ts'
import { forgetSentToken, readUnsentToken } from '#db/mail-tokens.ts'
import { readDeliveryConfig } from './delivery-config.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType } from './job-type.ts'

const CONNECT_MS = 10_000
const SUBJECT_CHARS = 500
const BODY_CHARS = 50_000
/** Where in a mail's text its token goes. */
export const TOKEN_PLACE = '{token}'

const payload = z.strictObject({
  to: z.email().max(254),
  // A line break in a subject would begin a header of the sender's choice.
  subject: z
    .string()
    .min(1)
    .max(SUBJECT_CHARS)
    .regex(/^[^\r\n]*$/, 'must be one line'),
  text: z.string().min(1).max(BODY_CHARS),
  token_id: z.guid().describe('What stands in the text for {token}: secrets are no part of a payload').optional(),
})

/**
 * Sends one mail as plain text, or keeps it where no mail server is set. A server can take a mail just before the worker
 * is lost, and then gets it again: the message id comes from the job, so that the receiver can tell.
 */
export const sendEmail: JobType<z.infer<typeof payload>> = {
  name: 'SEND_EMAIL',
  queue: 'mail',
  payload,
  max_attempts: 8,
  timeout_ms: 60_000,
  backoff: { base_ms: 5_000, factor: 4, max_ms: 3_600_000, jitter: 0.2 },
  belongs_to: 'either',
  async run(job) {
    const { to, subject, text, token_id } = job.payload
    const token = token_id === undefined ? null : await job.read((db) => readUnsentToken(db, token_id))
    if (token_id !== undefined && token === null) throw new PermanentFailure('What this mail was to carry has been sent, or has ended.')
    const full = token === null ? text : text.replaceAll(TOKEN_PLACE, token)
    const { SMTP_URL, MAIL_FROM } = readDeliveryConfig()
    const message_id = `<job-${job.id}@${/@([^>\s]+)/.exec(MAIL_FROM)?.[1] ?? 'localhost'}>`
    if (SMTP_URL) {
      const transport = createTransport({ url: SMTP_URL, connectionTimeout: CONNECT_MS, greetingTimeout: CONNECT_MS })
      const stop = (): void => transport.close()
      job.signal.addEventListener('abort', stop, { once: true })
      try {
        await transport.sendMail({ from: MAIL_FROM, to, subject, text: full, messageId: message_id, disableFileAccess: true, disableUrlAccess: true })
      } finally {
        job.signal.removeEventListener('abort', stop)
        transport.close()
      }
    }
    const status = SMTP_URL ? 'sent' : 'kept'
    return {
      kind: 'succeed',
      result: { status, message_id },
      writes: async (tx) => {
        // A mail that is out is kept without its token; one that only stands here has to show it.
        const body = status === 'sent' ? text : full
        await insertMail(tx, { organization_id: job.organization_id, job_id: job.id, recipient: to, subject, body, status, message_id })
        if (token_id !== undefined) await forgetSentToken(tx, token_id)
      },
    }
  },
}
