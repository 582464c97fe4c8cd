import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LIMITS } from '#config.ts'
import { cleanup } from '#jobs/cleanup.ts'
import { resultOf, runJob } from '../jobs/run-job.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'
import { upload } from '../support/upload.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-attachments-'))
after(() => rm(directory, { recursive: true }))
const database = await testDatabase()
const app = await testServer(database, { ATTACHMENTS_DIR: directory })
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const other = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

const filed = async (client: Client = customer): Promise<string> => (await client.post('/tickets', { subject: 'A picture', description: 'See there.' })).body.id
const names = async (client: Client, id: string) =>
  (await client.get(`/tickets/${id}/attachments`)).body.items.map((item: { filename: string }) => item.filename)
const stored = async (): Promise<string[]> => (await readdir(join(directory, organization.id)).catch(() => [])) as string[]
const download = (client: Client, id: string, headers: Record<string, string> = {}) =>
  app.inject({ url: `/api/v1/attachments/${id}/download`, headers: { authorization: `Bearer ${client.token}`, ...headers } })

test('a file comes back byte for byte, as something to keep, under its name and the type of its content', async () => {
  const id = await filed()
  const bytes = Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), randomBytes(300_000)])
  const name = 'Überraschung "1".html'
  const { status, body, headers } = await upload(app, customer, `/tickets/${id}/attachments`, { name, bytes })
  assert.equal(status, 201)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(
    [body.filename, body.content_type, body.size_bytes, body.sha256, body.uploaded_by],
    [name, 'image/jpeg', bytes.length, sha256, customer.user.id],
  )
  assert.equal(headers['location'], `/api/v1/attachments/${body.id}`)
  assert.deepEqual((await customer.get(`/attachments/${body.id}`)).body, body)
  const file = await download(customer, body.id)
  assert.deepEqual([file.statusCode, file.headers['content-type'], file.headers['x-content-type-options']], [200, 'image/jpeg', 'nosniff'])
  assert.match(
    String(file.headers['content-disposition']),
    /^attachment; filename="[^"\\]*(\\.[^"\\]*)*"; filename\*=UTF-8''%C3%9Cberraschung%20%221%22\.html$/,
  )
  assert.match(String(file.headers['content-security-policy']), /default-src 'none'/)
  assert.equal(Buffer.compare(file.rawPayload, bytes), 0)
  assert.equal((await download(customer, body.id, { 'if-none-match': String(file.headers['etag']) })).statusCode, 304)
  for (const [range, from, to] of [
    ['bytes=0-9', 0, 9],
    ['bytes=-7', bytes.length - 7, bytes.length - 1],
    [`bytes=${bytes.length - 3}-`, bytes.length - 3, bytes.length - 1],
  ] as const) {
    const part = await download(customer, body.id, { range })
    assert.deepEqual([part.statusCode, part.headers['content-range']], [206, `bytes ${from}-${to}/${bytes.length}`])
    assert.equal(Buffer.compare(part.rawPayload, bytes.subarray(from, to + 1)), 0)
  }
  assert.equal((await download(customer, body.id, { range: `bytes=${bytes.length}-` })).statusCode, 416)
  assert.equal((await download(customer, body.id, { range: 'bytes=0-9', 'if-range': '"older"' })).rawPayload.length, bytes.length)
})

test('the name that somebody chose is never a path', async () => {
  const id = await filed()
  for (const [name, kept] of [
    ['../../../etc/passwd', 'passwd'],
    [String.raw`C:\temp\report.txt`, 'report.txt'],
    ['..', 'file'],
    ['evil\u202Etxt.exe', 'eviltxt.exe'],
    ['a\r\nset-cookie: x', 'aset-cookie: x'],
  ] as const) {
    const { status, body } = await upload(app, agent, `/tickets/${id}/attachments`, { name })
    assert.deepEqual([status, body.content_type], [201, 'text/plain; charset=utf-8'])
    assert.equal(body.filename, kept)
  }
  for (const file of await stored()) assert.match(file, /^[0-9a-f-]{36}$/)
})

test('markup is what it looks like, and still never shown', async () => {
  const id = await filed()
  const { body } = await upload(app, customer, `/tickets/${id}/attachments`, { name: 'x.png', bytes: '<!doctype html><script>alert(1)</script>' })
  const file = await download(agent, body.id)
  assert.deepEqual([file.headers['content-type'], String(file.headers['content-disposition']).split(';')[0]], ['text/plain; charset=utf-8', 'attachment'])
})

test("what is refused leaves no file behind: too large, a program, no file, a foreign field, somebody else's ticket", async () => {
  const id = await filed()
  const before = await stored()
  const path = `/tickets/${id}/attachments`
  const elf = Buffer.concat([Buffer.from('7f454c46020101', 'hex'), Buffer.alloc(200)])
  const attempts: [number, Client, string, Parameters<typeof upload>[3]][] = [
    [413, customer, path, { bytes: Buffer.alloc(LIMITS.ATTACHMENT_BYTES + 1) }],
    [415, customer, path, { bytes: elf, name: 'holiday.jpg' }],
    [400, customer, path, { fields: { surprise: '1' } }],
    [400, customer, path, { fields: { comment_id: 'garbage' } }],
    [422, customer, path, { fields: { comment_id: randomUUID() } }],
    [404, other, path, {}],
    [404, stranger, path, {}],
    [404, agent, `/tickets/${randomUUID()}/attachments`, {}],
  ]
  for (const [expected, client, to, what] of attempts) assert.equal((await upload(app, client, to, what)).status, expected, JSON.stringify(what!.fields))
  assert.equal((await customer.post(path, { file: 'x' })).status, 415)
  const none = new Response(new FormData())
  const empty = await app.inject({
    method: 'POST',
    url: `/api/v1${path}`,
    headers: { authorization: `Bearer ${customer.token}`, 'content-type': none.headers.get('content-type')! },
    payload: Buffer.from(await none.arrayBuffer()),
  })
  assert.equal(empty.statusCode, 400)
  assert.deepEqual(await stored(), before)
  assert.deepEqual(await names(customer, id), [])
})

test('a form that breaks off or names no boundary is the fault of who sent it, and leaves no file behind', async () => {
  const path = `/tickets/${await filed()}/attachments`
  const before = await stored()
  const head = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
  const forms: [string, string][] = [
    ['multipart/form-data', head],
    [`multipart/form-data; boundary=${'x'.repeat(300)}`, head],
    ['multipart/form-data; boundary=x', '--x\r\ncontent-dispo'],
    ['multipart/form-data; boundary=x', `${head}it ends h`],
    ['multipart/form-data; boundary=x', head.replace('file', 'comment_id').replace('; filename="a.txt"', '')],
  ]
  for (const [type, payload] of forms) {
    const url = `/api/v1${path}`
    const { statusCode } = await app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${customer.token}`, 'content-type': type }, payload })
    assert.equal(statusCode, 400, `${type} ${payload}`)
  }
  assert.deepEqual(await stored(), before)
})

test('customers see what is attached to their tickets and public comments, and nothing of what is internal', async () => {
  const id = await filed()
  const path = `/tickets/${id}/attachments`
  const said = async (is_internal: boolean) => (await agent.post(`/tickets/${id}/comments`, { content: 'See file', is_internal })).body.id as string
  const open = await upload(app, agent, path, { name: 'open.txt', fields: { comment_id: await said(false) } })
  const secret = await upload(app, agent, path, { name: 'secret.txt', fields: { comment_id: await said(true) } })
  const own = await upload(app, customer, path, { name: 'own.txt' })
  assert.deepEqual(await names(agent, id), ['open.txt', 'secret.txt', 'own.txt'])
  assert.deepEqual(await names(customer, id), ['open.txt', 'own.txt'])
  const codes = async (client: Client) =>
    Promise.all(
      [open, secret, own].map(async ({ body }) => [(await client.get(`/attachments/${body.id}`)).status, (await download(client, body.id)).statusCode]),
    )
  assert.deepEqual(await codes(agent), [
    [200, 200],
    [200, 200],
    [200, 200],
  ])
  assert.deepEqual(await codes(customer), [
    [200, 200],
    [404, 404],
    [200, 200],
  ])
  assert.deepEqual(await codes(other), [
    [404, 404],
    [404, 404],
    [404, 404],
  ])
  assert.deepEqual(await codes(stranger), [
    [404, 404],
    [404, 404],
    [404, 404],
  ])
  const told = async (client: Client) =>
    (await client.get(`/tickets/${id}/history`)).body.items
      .filter((item: { action: string }) => item.action === 'attachment.create')
      .map((item: { details: { filename: string } }) => item.details.filename)
  assert.deepEqual(await told(agent), ['open.txt', 'secret.txt', 'own.txt'])
  assert.deepEqual(await told(customer), ['open.txt', 'own.txt'])
  assert.equal((await upload(app, customer, path, { fields: { comment_id: secret.body.comment_id } })).status, 422)
})

test('the same key and file is one attachment; another file under the key is refused', async () => {
  const id = await filed()
  const headers = { 'idempotency-key': randomUUID() }
  const before = (await stored()).length
  const answers = await Promise.all([1, 2, 3].map(() => upload(app, customer, `/tickets/${id}/attachments`, { headers })))
  assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body.id}`))], [`201 ${answers[0]!.body.id}`])
  assert.equal((await upload(app, customer, `/tickets/${id}/attachments`, { headers, bytes: 'another' })).status, 422)
  assert.equal((await stored()).length, before + 1)
})

test('a ticket has a bound on its attachments, also when many come at once', async () => {
  const id = await filed()
  await database.owner(
    `insert into attachments (organization_id, ticket_id, filename, content_type, size_bytes, sha256, storage_key, uploaded_by)
     select $1, $2, 'x', 'text/plain', 0, decode(repeat('00', 32), 'hex'), gen_random_uuid()::text, $3 from generate_series(1, $4::int) n`,
    [organization.id, id, customer.user.id, LIMITS.ATTACHMENTS_PER_TICKET - 2],
  )
  const answers = await Promise.all([1, 2, 3, 4].map(() => upload(app, customer, `/tickets/${id}/attachments`)))
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 201, 409, 409],
  )
})

test('staff remove an attachment with its file; customers do not', async () => {
  const id = await filed()
  const { body } = await upload(app, customer, `/tickets/${id}/attachments`, { name: 'gone.txt' })
  const before = (await stored()).length
  assert.equal((await customer.delete(`/attachments/${body.id}`)).status, 403)
  assert.equal((await stranger.delete(`/attachments/${body.id}`)).status, 404)
  assert.equal((await agent.delete(`/attachments/${body.id}`)).status, 204)
  assert.equal((await download(agent, body.id)).statusCode, 404)
  assert.equal((await stored()).length, before - 1)
  assert.equal((await agent.get(`/tickets/${id}/history`)).body.items.at(-1).action, 'attachment.delete')
})

test("files that no row speaks of are removed when they are old; another desk's are left alone", async () => {
  const id = await filed()
  const { body } = await upload(app, customer, `/tickets/${id}/attachments`)
  const own = join(directory, organization.id)
  const foreign = join(directory, (await createOrganization(await testDatabase())).id)
  const [orphan, fresh, unfinished] = [randomUUID(), randomUUID(), `${randomUUID()}.part`]
  await mkdir(foreign)
  for (const file of [join(own, orphan), join(own, fresh), join(own, unfinished), join(foreign, orphan)]) await writeFile(file, 'x')
  const old = new Date(Date.now() - 7_200_000)
  for (const file of await stored()) if (file !== fresh) await utimes(join(own, file), old, old)
  await utimes(join(foreign, orphan), old, old)
  const kept = new Set(await stored())
  kept.delete(orphan)
  kept.delete(unfinished)
  process.env['ATTACHMENTS_DIR'] = directory
  const outcome = await runJob(database, cleanup, null, {})
  assert.equal(resultOf(outcome)['orphaned_files'], 2)
  assert.deepEqual(new Set(await stored()), kept)
  assert.deepEqual(await readdir(foreign), [orphan])
  assert.equal((await download(customer, body.id)).statusCode, 200)
})
