import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { deliverWebhook } from '#jobs/deliver-webhook.ts'
import { isPublicAddress } from '#jobs/public-address.ts'
import { sendEmail } from '#jobs/send-email.ts'
import { testDatabase } from '../support/database.ts'
import { newTenant, resultOf, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()
const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

const received: { headers: IncomingHttpHeaders; body: string }[] = []
let answer = 200
const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString()))
  request.on('end', () => {
    received.push({ headers: request.headers, body })
    response.writeHead(answer).end('ok')
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://localhost:${(server.address() as AddressInfo).port}/hook`
after(() => server.close())

async function newDelivery(tenant: Tenant): Promise<string> {
  const [row] = await database.owner<{ id: string }>(
    `with endpoint as (insert into webhook_endpoints (organization_id, url, secret) values ($1, $2, $3) returning id)
     insert into webhook_deliveries (organization_id, endpoint_id, event_type, payload) select $1, id, 'ticket.created', '{"number": 7}' from endpoint returning id`,
    [tenant.id, url, SECRET],
  )
  return row!.id
}

const stateOf = async (id: string): Promise<unknown> =>
  (
    await database.owner(
      'select status, response_status, is_active from webhook_deliveries delivery join webhook_endpoints endpoint on endpoint.id = endpoint_id where delivery.id = $1',
      [id],
    )
  )[0]

test('without a mail server a mail is kept, and a line break in its subject is refused', async () => {
  delete process.env['SMTP_URL']
  const tenant = await newTenant(database)
  await runJob(database, sendEmail, tenant.id, { to: 'kim@example.com', subject: 'Your ticket', text: 'It is solved.' })
  await runJob(database, sendEmail, null, { to: 'op@example.com', subject: 'Reset', text: 'Here.' })
  assert.deepEqual(await database.owner('select recipient, subject, status from outgoing_mail order by created_at'), [
    { recipient: 'kim@example.com', subject: 'Your ticket', status: 'kept' },
    { recipient: 'op@example.com', subject: 'Reset', status: 'kept' },
  ])
  assert.equal(sendEmail.payload.safeParse({ to: 'kim@example.com', subject: 'a\r\nBcc: x@y.z', text: 'b' }).success, false)
})

test('with a mail server a mail is handed to it, with a message id that a repetition has as well', async () => {
  const mails: string[] = []
  // As much of SMTP as one mail needs.
  const smtp = createTcpServer((socket) => {
    let inData = false
    socket.write('220 test\r\n')
    socket.on('data', (chunk) => {
      const text = chunk.toString()
      if (inData) {
        mails.push(text)
        inData = !text.endsWith('\r\n.\r\n')
        if (!inData) socket.write('250 taken\r\n')
      } else if (text.startsWith('DATA')) {
        inData = true
        socket.write('354 go on\r\n')
      } else socket.write('250 fine\r\n')
    })
  })
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve))
  process.env['SMTP_URL'] = `smtp://127.0.0.1:${(smtp.address() as AddressInfo).port}`
  try {
    const tenant = await newTenant(database)
    const result = resultOf(await runJob(database, sendEmail, tenant.id, { to: 'kim@example.com', subject: 'Solved', text: 'It is solved.' }))
    assert.equal(result['status'], 'sent')
    assert.ok(mails.join('').includes(`Message-ID: ${String(result['message_id'])}`))
    assert.match(mails.join(''), /Subject: Solved/)
  } finally {
    delete process.env['SMTP_URL']
    smtp.close()
  }
})

test('a private address is refused, and nothing is sent', async () => {
  delete process.env['WEBHOOK_ALLOW_PRIVATE']
  const tenant = await newTenant(database)
  const id = await newDelivery(tenant)
  assert.deepEqual(resultOf(await runJob(database, deliverWebhook, tenant.id, { delivery_id: id })), { status: 'refused', response_status: null })
  assert.deepEqual(await stateOf(id), { status: 'refused', response_status: null, is_active: true })
  assert.equal(received.length, 0)
})

test('loopback, link-local, private and mapped addresses are not public', () => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '192.168.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::ffff:10.0.0.1',
    'fe80::1',
    'fd00::1',
    '64:ff9b::a00:1',
  ]) {
    assert.equal(isPublicAddress(address), false, address)
  }
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111']) assert.equal(isPublicAddress(address), true, address)
})

test('a delivery is signed, an error is tried again, and an endpoint that is gone is switched off', async () => {
  process.env['WEBHOOK_ALLOW_PRIVATE'] = 'true'
  const tenant = await newTenant(database)
  const id = await newDelivery(tenant)
  await runJob(database, deliverWebhook, tenant.id, { delivery_id: id })
  const { headers, body } = received.at(-1)!
  const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>) as { type: string; data: unknown }
  const [row] = await database.owner('select message_id from webhook_deliveries where id = $1', [id])
  assert.deepEqual([verified.type, verified.data, headers['webhook-id']], ['ticket.created', { number: 7 }, row!['message_id']])
  assert.deepEqual(await stateOf(id), { status: 'delivered', response_status: 200, is_active: true })

  answer = 503
  await assert.rejects(runJob(database, deliverWebhook, tenant.id, { delivery_id: await newDelivery(tenant) }), /answered 503/)
  answer = 410
  const gone = await newDelivery(tenant)
  await runJob(database, deliverWebhook, tenant.id, { delivery_id: gone })
  assert.deepEqual(await stateOf(gone), { status: 'refused', response_status: 410, is_active: false })
})
