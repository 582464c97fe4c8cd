import { createHash } from 'node:crypto'
import { createTransport } from 'nodemailer'
import { z } from 'zod'
import { insertMail } from '#db/outgoing-mail.ts'
import { forgetSentToken, readUnsentToken } from '#db/mail-tokens.ts'
import { readDeliveryConfig } from './delivery-config.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType, RunningJob } from './job-type.ts'
import { mailHtml } from './mail-html.ts'

const CONNECT_MS = 10_000
const SUBJECT_CHARS = 500
const BODY_CHARS = 50_000
const RECIPIENT_CHARS = 12
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
  event_id: z.int().positive().describe('What the mail tells of: it makes the message id').optional(),
  ticket_id: z.guid().describe('Mails of one ticket stand in one thread').optional(),
  token_id: z.guid().describe('What stands in the text for {token}: secrets are no part of a payload').optional(),
})

type Mail = z.infer<typeof payload>

/**
 * Sends one mail, as text and as the same in HTML, or keeps it where no mail server is set. A server can take a mail just
 * before the worker is lost, and then gets it again: the message id comes from the event or the job, so that the receiver
 * can tell. What a server refuses for good (5xx to the envelope or the message) is not tried again; all else is.
 */
export const sendEmail: JobType<Mail> = {
  name: 'SEND_EMAIL',
  queue: 'mail',
  payload,
  max_attempts: 8,
  timeout_ms: 60_000,
  backoff: { base_ms: 5_000, factor: 4, max_ms: 3_600_000, jitter: 0.2 },
  belongs_to: 'either',
  async run(job) {
    const { to, subject, text, ticket_id, token_id } = job.payload
    const token = token_id === undefined ? null : await job.read((db) => readUnsentToken(db, token_id))
    if (token_id !== undefined && token === null) throw new PermanentFailure('What this mail was to carry has been sent, or has ended.')
    const full = token === null ? text : text.replaceAll(TOKEN_PLACE, token)
    const { SMTP_URL, MAIL_FROM } = readDeliveryConfig()
    const message_id = messageId(job, MAIL_FROM)
    if (SMTP_URL) {
      const transport = createTransport({ url: SMTP_URL, connectionTimeout: CONNECT_MS, greetingTimeout: CONNECT_MS })
      const stop = (): void => transport.close()
      job.signal.addEventListener('abort', stop, { once: true })
      try {
        await transport.sendMail({
          from: MAIL_FROM,
          // As an object it is an address, and not a list of them.
          to: { name: '', address: to },
          subject,
          text: full,
          html: mailHtml(full),
          messageId: message_id,
          ...threadOf(ticket_id, MAIL_FROM),
          headers: { 'auto-submitted': 'auto-generated' },
          disableFileAccess: true,
          disableUrlAccess: true,
        })
      } catch (error) {
        throw isRefusal(error) ? new PermanentFailure(`the mail server refuses it: ${(error as Error).message}`) : error
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

const domainOf = (from: string): string => /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost'

/** The same over all attempts; where the mail tells of an event, of that and of whom it is told. */
function messageId({ id, payload: { event_id, to } }: RunningJob<Mail>, from: string): string {
  const recipient = createHash('sha256').update(to.toLowerCase()).digest('hex').slice(0, RECIPIENT_CHARS)
  return `<${event_id === undefined ? `job-${id}` : `event-${event_id}.${recipient}`}@${domainOf(from)}>`
}

function threadOf(ticketId: string | undefined, from: string): { references?: string; inReplyTo?: string } {
  if (ticketId === undefined) return {}
  const thread = `<ticket-${ticketId}@${domainOf(from)}>`
  return { references: thread, inReplyTo: thread }
}

/** A wrong password is refused by 5xx as well, and is mended some time: only what is said of this mail counts. */
function isRefusal(error: unknown): boolean {
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  return (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode !== undefined && responseCode >= 500
}
