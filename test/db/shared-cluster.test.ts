import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { removeEmbedded, startEmbeddedPostgres } from '#db/embedded.ts'
import { allowServiceLogins, ensureServiceRoles, serviceUrls } from '#db/logins.ts'
import { knownMigrations, migrate, withClient } from '#db/migrations.ts'

const ROUNDS = 10

test('starters of several databases of one cluster, at the same time, share the two roles', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-cluster-'))
  const server = await startEmbeddedPostgres({ directory, settings: { fsync: 'off' } })
  const ask = (url: string, statement: string) => withClient(url, (client) => client.query(statement))
  try {
    const urls = ['a', 'b', 'c'].map((name) => server.url.replace(/atum_desk$/, name))
    for (const url of urls) await ask(server.url, `create database ${new URL(url).pathname.slice(1)}`)
    const starters = urls.flatMap((url) => [url, url])

    await Promise.all(starters.map((url) => ensureServiceRoles(url)))
    await ask(server.url, 'drop role atum_app, atum_system')
    const ran = await Promise.all(starters.map((url) => migrate(url, 'up')))
    assert.deepEqual(
      ran.flat().toSorted(),
      (await knownMigrations()).flatMap((name) => urls.map(() => name)),
    )

    for (let round = 0; round < ROUNDS; round += 1) {
      await ask(server.url, 'alter role atum_app nologin')
      await Promise.all(starters.map((url) => allowServiceLogins(url)))
    }
    for (const url of urls) {
      const { app, system } = serviceUrls(url)
      for (const login of [app, system]) assert.ok((await ask(login, 'select from schema_migrations')).rowCount! > 0)
    }
  } finally {
    await server.stop()
    await removeEmbedded(directory)
  }
})
