import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { SMTPServer } from 'smtp-server'
import { unfollowedLogs } from '#db/events.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { newJob } from '#jobs/job-type.ts'
import { mailHtml } from '#jobs/mail-html.ts'
import { jobTypes } from '#jobs/registry.ts'
import { sendEmail } from '#jobs/send-email.ts'
import { testDatabase, until } from '../support/database.ts'
import { jobOf, testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

/** A mail as the server took it. */
interface Taken {
  from: string
  to: string[]
  raw: string
}

const taken: Taken[] = []
/** What the server says to the next mails, and how often. */
const refusals: { code: number; at: 'rcpt' | 'data' }[] = []
const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onRcptTo: (_address, _session, callback) => callback(refusals[0]?.at === 'rcpt' ? refused() : undefined),
  onData: (stream, session, callback) => {
    let raw = ''
    stream.on('data', (chunk: Buffer) => (raw += chunk.toString()))
    stream.on('end', () => {
      if (refusals[0]?.at === 'data') return callback(refused())
      taken.push({ from: session.envelope.mailFrom ? session.envelope.mailFrom.address : '', to: session.envelope.rcptTo.map(({ address }) => address), raw })
      return callback()
    })
  },
})
function refused(): Error {
  const { code } = refusals.shift()!
  return Object.assign(new Error('not now'), { responseCode: code })
}
await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve))
smtp.on('error', () => {})
after(() => new Promise<void>((resolve) => smtp.close(() => resolve())))
process.env['SMTP_URL'] = `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`
process.env['MAIL_FROM'] = 'The desk <desk@example.com>'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const hasty = { ...sendEmail, backoff: { base_ms: 20, factor: 1.5, max_ms: 100, jitter: 0 } }
const worker = await testWorker(database, { jobTypes: new Map([...jobTypes, ['SEND_EMAIL', hasty as never]]) }, { WORKER_QUEUES: 'mail' })

async function send(payload: Parameters<typeof newJob<(typeof sendEmail)['payload']['_output']>>[2]): Promise<number> {
  const [id] = await enqueueJobs(database.system, [newJob(sendEmail, organization.id, payload)])
  return id!
}
const ends = (id: number, status: string) => until(async () => (await jobOf(database, id))['status'] === status, `job ${id} is ${status}`)
const header = ({ raw }: Taken, name: string) =>
  new RegExp(`^${name}: (.*(?:\\r\\n[ \\t].*)*)`, 'im').exec(raw.split('\r\n\r\n')[0]!)?.[1]?.replaceAll(/\r\n[ \t]/g, ' ')

test('a mail is queued, tried again after a temporary refusal, and sent once with the same message id', async () => {
  refusals.push({ code: 451, at: 'rcpt' }, { code: 452, at: 'data' })
  const id = await send({ to: 'kim@example.com', subject: 'Grüße & <more>', text: 'It is <b>solved</b>.\n\nKim & co' })
  await ends(id, 'done')
  assert.equal((await jobOf(database, id))['attempt'], 3)
  assert.equal(taken.length, 1)
  const [mail] = taken
  assert.deepEqual([mail!.from, mail!.to], ['desk@example.com', ['kim@example.com']])
  assert.equal(header(mail!, 'message-id'), `<job-${id}@example.com>`)
  assert.equal(header(mail!, 'auto-submitted'), 'auto-generated')
  assert.match(mail!.raw, /&lt;b&gt;solved&lt;\/b&gt;/)
  assert.doesNotMatch(mail!.raw.split(/content-type: text\/html/i)[1]!, /<b>/)
  assert.deepEqual(await database.owner('select status, recipient from outgoing_mail where job_id = $1', [id]), [
    { status: 'sent', recipient: 'kim@example.com' },
  ])
})

test('what the server refuses for good is given up at once', async () => {
  for (const at of ['rcpt', 'data'] as const) {
    refusals.push({ code: 550, at })
    const id = await send({ to: 'nobody@example.com', subject: 's', text: 't' })
    await ends(id, 'failed')
    const job = await jobOf(database, id)
    assert.deepEqual([job['attempt'], /refuses it/.test(String(job['last_error']))], [1, true])
    assert.deepEqual(await database.owner('select from outgoing_mail where job_id = $1', [id]), [])
  }
})

test('no text of anybody becomes a header, a second recipient, or HTML', async () => {
  const evil = fc.constantFrom(
    '\r\nBcc: evil@example.com',
    '\nSubject: other',
    '\r\n\r\n<script>alert(1)</script>',
    '"><img src=x>',
    'a, evil@example.com',
    '\u2028x',
    ' ',
  )
  fc.assert(
    fc.property(evil, fc.string(), (bad, text) => {
      for (const payload of [
        { to: `kim@example.com${bad}`, subject: 's', text: 't' },
        { to: 'kim@example.com', subject: `s${bad}`, text: 't' },
      ]) {
        const parsed = sendEmail.payload.safeParse(payload)
        if (parsed.success) assert.ok(!/[\r\n,]|evil@/.test(parsed.data.to) && !/[\r\n]/.test(parsed.data.subject))
      }
      const html = mailHtml(text + bad)
      assert.doesNotMatch(html.replaceAll(/<\/?(?:!doctype html|html|body(?: style="font-family: sans-serif")?|p|br)>/g, ''), /[<>]/)
    }),
    { numRuns: 300 },
  )
  taken.length = 0
  const id = await send({ to: 'kim@example.com', subject: 'x'.repeat(400), text: '\r\n.\r\nBcc: evil@example.com\r\n.\r\n' })
  await ends(id, 'done')
  assert.deepEqual([taken.length, taken[0]!.to, header(taken[0]!, 'bcc')], [1, ['kim@example.com'], undefined])
})

test('a requester is told of public replies and changes of status by others, where the organisation wants it, in one thread', async () => {
  const customer = await clientOf(app, database, 'customer_user', organization)
  const agent = await clientOf(app, database, 'agent', organization)
  const admin = await clientOf(app, database, 'admin', organization)
  const file = async (subject: string) => (await customer.post('/tickets', { subject, description: 'd' })).body
  taken.length = 0
  const quiet = await file('Before')
  await agent.post(`/tickets/${quiet.id}/comments`, { content: 'Nobody hears this' })
  await until(async () => (await unfollowedLogs(database.system, 1)).length === 0, 'the log is followed')
  assert.equal((await admin.patch('/settings', { notify_requester_on_reply: true, notify_requester_on_status: true })).status, 200)

  const ticket = await file('Steam\nBcc: evil@example.com')
  await customer.post(`/tickets/${ticket.id}/comments`, { content: 'Mine' })
  await agent.post(`/tickets/${ticket.id}/comments`, { content: 'Rude', is_internal: true })
  await agent.post(`/tickets/${ticket.id}/comments`, { content: 'Have you tried <turning> it off?' })
  await agent.post(`/tickets/${ticket.id}/accept`)
  await until(() => taken.length >= 2, 'two mails')
  const bySubject = taken.map((mail) => [mail.to[0], header(mail, 'subject'), /turning/.test(mail.raw) ? 'reply' : 'status'])
  const line = `[#${ticket.number}] Steam Bcc: evil@example.com`
  assert.deepEqual(
    bySubject.toSorted((a, b) => String(a[2]).localeCompare(String(b[2]))),
    [
      [customer.user.email, line, 'reply'],
      [customer.user.email, line, 'status'],
    ],
  )
  assert.ok(taken.every((mail) => header(mail, 'references') === `<ticket-${ticket.id}@example.com>`))
  const events = (await admin.get('/audit?limit=200')).body.items as { id: number; action: string; entity_id: string }[]
  const accepted = events.find(({ action, entity_id }) => action === 'ticket.accept' && entity_id === ticket.id)!
  const status = taken.find((mail) => !/turning/.test(mail.raw))!
  assert.match(header(status, 'message-id')!, new RegExp(`^<event-${accepted.id}\\.[0-9a-f]{12}@example.com>$`))
  assert.match(status.raw, /is now accepted/)
  await worker.drain()
  assert.equal(taken.length, 2)
})
