import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { readLlmConfig } from '#ai/llm-config.ts'
import { readConfig } from '#config.ts'
import { readDeliveryConfig } from '#jobs/delivery-config.ts'
import { queuesOf } from '#jobs/registry.ts'

const CREDENTIALS_DIRECTORY = mkdtempSync(join(tmpdir(), 'atum-desk-credentials-'))
after(() => rmSync(CREDENTIALS_DIRECTORY, { recursive: true }))
writeFileSync(join(CREDENTIALS_DIRECTORY, 'DATABASE_URL'), 'postgres://owner:secret@db/desk\n')

test('a secret may come as a credential of systemd', () => {
  assert.equal(readConfig({ CREDENTIALS_DIRECTORY }).DATABASE_URL, 'postgres://owner:secret@db/desk')
})

test('a setting that is set twice, differently, is refused by its name and without its value', () => {
  assert.equal(readConfig({ CREDENTIALS_DIRECTORY, DATABASE_URL: 'postgres://owner:secret@db/desk' }).DATABASE_URL, 'postgres://owner:secret@db/desk')
  assert.throws(() => readConfig({ CREDENTIALS_DIRECTORY, DATABASE_URL: 'postgres://other@db/desk' }), {
    name: 'ConfigError',
    message: /^DATABASE_URL: is set[^:]*$/,
  })
})

test('a credential that cannot be read stops the start with its name', () => {
  const broken = join(CREDENTIALS_DIRECTORY, 'broken')
  mkdirSync(join(broken, 'ATUM_SECRET'), { recursive: true })
  assert.throws(() => readConfig({ CREDENTIALS_DIRECTORY: broken }), { name: 'ConfigError', message: /^ATUM_SECRET: its credential cannot be read/ })
})

test('what reaches mail servers and models may come as a credential too, and is refused by its name where it is wrong', () => {
  for (const [name, value] of [
    ['SMTP_URL', 'smtps://desk:secret@mail.example'],
    ['LLM_API_KEY', 'key-one'],
    ['EMBEDDINGS_API_KEY', 'key-two'],
  ] as const) {
    writeFileSync(join(CREDENTIALS_DIRECTORY, name), `${value}\n`)
  }
  assert.equal(readDeliveryConfig({ CREDENTIALS_DIRECTORY }).SMTP_URL, 'smtps://desk:secret@mail.example')
  assert.equal(readLlmConfig({ CREDENTIALS_DIRECTORY }).LLM_API_KEY, 'key-one')
  assert.equal(readEmbeddingsConfig({ CREDENTIALS_DIRECTORY }).EMBEDDINGS_API_KEY, 'key-two')
  assert.throws(() => readDeliveryConfig({ SMTP_URL: 'http://mail.example' }), { name: 'ConfigError', message: /^SMTP_URL: must begin with/ })
})

test('proxies are addresses or networks, and queues are those that some kind of job uses', () => {
  assert.deepEqual(readConfig({ TRUSTED_PROXIES: '10.0.0.0/8, ::1,192.168.1.1' }).TRUSTED_PROXIES, ['10.0.0.0/8', '::1', '192.168.1.1'])
  for (const TRUSTED_PROXIES of ['proxy.example', '10.0.0.0/99', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0', '*']) {
    assert.throws(() => readConfig({ TRUSTED_PROXIES }), { name: 'ConfigError', message: /^TRUSTED_PROXIES: / }, TRUSTED_PROXIES)
  }
  assert.deepEqual(queuesOf(readConfig({})), ['ai', 'default', 'mail'])
  assert.deepEqual(queuesOf(readConfig({ WORKER_QUEUES: 'mail' })), ['mail'])
  assert.throws(() => queuesOf(readConfig({ WORKER_QUEUES: 'mail,letters' })), {
    name: 'ConfigError',
    message: 'WORKER_QUEUES: there is no queue letters, only ai, default, mail',
  })
})
