import type { Config } from '#config.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { insertMailToken } from '#db/mail-tokens.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { newJob } from '#jobs/job-type.ts'
import { sendEmail, TOKEN_PLACE } from '#jobs/send-email.ts'
import { newToken } from './tokens.ts'

export const CONFIRM_SECONDS = 24 * 3_600
const RESET_SECONDS = 3_600
const INVITE_SECONDS = 7 * 24 * 3_600

/** To whom a mail about an account goes. Nothing that a stranger typed stands in it: our mails carry nobody else's words. */
export interface Receiver {
  organization_id: string | null
  /** The organisation's name, for who has accounts in several. */
  organization: string | null
  email: string
}

type Carries = { user_id: string } | { registration_id: string }

/** Enqueues the mails about accounts, each in the transaction of what it tells of. @returns the queue to wake */
export interface AccountMails {
  confirm(tx: CommonQueryMethods, to: Receiver, registrationId: string): Promise<string>
  alreadyThere(tx: CommonQueryMethods, to: Receiver): Promise<string>
  reset(tx: CommonQueryMethods, to: Receiver, userId: string): Promise<string>
  invite(tx: CommonQueryMethods, to: Receiver, userId: string): Promise<string>
  /** Tells somebody that the account's protection was changed. */
  changed(tx: CommonQueryMethods, to: Receiver, what: string): Promise<string>
}

export function accountMails(config: Config): AccountMails {
  const at = config.PUBLIC_URL ?? `http://${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${config.PORT}`
  const link = (page: string): string => `${at}/console/${page}?token=${TOKEN_PLACE}`
  const desk = ({ organization }: Receiver): string => organization ?? 'ATUM DESK'

  async function enqueue(tx: CommonQueryMethods, to: Receiver, mail: { subject: string; lines: string[] }, carries?: Carries & { lifetime_seconds: number }) {
    let token_id: string | undefined
    if (carries) {
      const { token, hash } = newToken()
      token_id = await insertMailToken(tx, { ...carries, organization_id: to.organization_id, token, token_hash: hash })
    }
    const text = [...mail.lines, '', `You get this because ${to.email} has, or is to have, an account at ${desk(to)}.`].join('\n')
    const payload = { to: to.email, subject: oneLine(mail.subject), text, ...(token_id === undefined ? {} : { token_id }) }
    await enqueueJobs(tx, [newJob(sendEmail, to.organization_id, payload)])
    return sendEmail.queue
  }

  return {
    confirm: (tx, to, registration_id) =>
      enqueue(
        tx,
        to,
        {
          subject: `Confirm your address for ${desk(to)}`,
          lines: [
            'Somebody, hopefully you, asked for an account with this address. It is made when you say yes on this page within a day:',
            '',
            link('verify-email'),
            '',
            'It was not you? Then do nothing, and there will be no account.',
          ],
        },
        { registration_id, lifetime_seconds: CONFIRM_SECONDS },
      ),
    alreadyThere: (tx, to) =>
      enqueue(tx, to, {
        subject: `You have an account at ${desk(to)}`,
        lines: [
          'Somebody, hopefully you, asked for an account with this address, which has one already. A forgotten password is reset here:',
          '',
          `${at}/console/forgot-password`,
        ],
      }),
    reset: (tx, to, user_id) =>
      enqueue(
        tx,
        to,
        {
          subject: `Set a new password for ${desk(to)}`,
          lines: [
            'Somebody, hopefully you, asked for a new password. It is set on this page within an hour, once:',
            '',
            link('reset-password'),
            '',
            'It was not you? Then do nothing: your password stays as it is.',
          ],
        },
        { user_id, lifetime_seconds: RESET_SECONDS },
      ),
    invite: (tx, to, user_id) =>
      enqueue(
        tx,
        to,
        {
          subject: `Your account at ${desk(to)}`,
          lines: ['An account was made for you. Choose your password on this page within a week:', '', link('reset-password')],
        },
        { user_id, lifetime_seconds: INVITE_SECONDS },
      ),
    changed: (tx, to, what) =>
      enqueue(tx, to, {
        subject: `${what} (${desk(to)})`,
        lines: [`${what}.`, '', 'It was not you? Then tell an administrator, and reset your password here:', '', `${at}/console/forgot-password`],
      }),
  }
}

/** A name can have line breaks; a subject cannot. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 200)
}
