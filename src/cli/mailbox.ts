import { Command } from 'commander'
import { LIMITS, readConfig } from '#config.ts'
import { withDatabase } from './connection.ts'
import { whole } from './numbers.ts'
import { examples, print } from './output.ts'

const SHOWN = 10

export function mailboxCommand(): Command {
  return new Command('mailbox')
    .description('show the mails that went out, and those kept here for want of a mail server (SMTP_URL), the newest first')
    .option('--to <email>', 'only those to this address')
    .option('--limit <n>', 'how many', whole(1, LIMITS.PAGE_MAX), SHOWN)
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('mailbox', 'mailbox --to kim@example.com --limit 1'))
    .action(mailbox)
}

async function mailbox({ to, limit, json }: { to?: string; limit: number; json?: boolean }): Promise<void> {
  const { listMail } = await import('#db/mailbox.ts')
  const mails = await withDatabase(readConfig(), ({ system }) => listMail(system, { to: to ?? null }, { before: null, limit }))
  const items = mails.map(({ at_us: _at, ...mail }) => mail)
  print(json, { items }, () =>
    items.length === 0
      ? 'No mail.'
      : items
          .map((mail) => `To: ${mail.to}\nDate: ${mail.created_at.toISOString()} (${mail.status})\nSubject: ${mail.subject}\n\n${mail.text}`)
          .join('\n\n---\n\n'),
  )
}
