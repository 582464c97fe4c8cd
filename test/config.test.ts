import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readConfig } from '#config.ts'

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
