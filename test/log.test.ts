import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { createLogger } from '#log.ts'

const SECRET = 'hunter2-Xq9zWv71'

/** The lines that `write` has a logger write. */
function logged(write: (log: ReturnType<typeof createLogger>) => void): string {
  let lines = ''
  write(createLogger('trace', 'test', { write: (line) => void (lines += line) }))
  return lines
}

const leaks: Record<string, (log: ReturnType<typeof createLogger>) => void> = {
  'a field': (log) => log.info({ password: SECRET }, 'x'),
  'a field of a request': (log) => log.info({ body: { user: { refresh_token: SECRET } } }, 'x'),
  'a header': (log) => log.info({ headers: { authorization: `Bearer ${SECRET}`, cookie: `session=${SECRET}` } }, 'x'),
  'a field six levels down': (log) => log.info({ a: { b: { c: { d: { e: { client_secret: SECRET } } } } } }, 'x'),
  'a list of accounts': (log) => log.info({ accounts: [{ email: 'a@b', password: SECRET }] }, 'x'),
  'the address of a database in an error': (log) => log.error({ err: new Error(`cannot reach postgres://atum:${SECRET}@db.example:5432/desk`) }, 'x'),
  'the cause of an error': (log) => log.error({ err: new Error('outer', { cause: new Error(`redis://:${SECRET}@cache`) }) }, 'x'),
  'a message': (log) => log.warn(`answered to Authorization: Bearer ${SECRET}`),
  'a signed token in a message': (log) => log.warn(`got eyJhbGciOiJIUzI1NiJ9.${Buffer.from(SECRET).toString('base64url')}.${SECRET}`),
  'a child logger': (log) => log.child({ otp: SECRET }).info('x'),
}

for (const [where, write] of Object.entries(leaks)) {
  test(`a secret in ${where} does not reach the log`, () => {
    const lines = logged(write)
    assert.ok(!lines.includes(SECRET), lines)
    assert.match(lines, /\[redacted\]/)
    JSON.parse(lines)
  })
}

test('whatever a secret is made of, a line stays JSON and keeps what is no secret', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8, unit: 'binary' }), fc.string(), (secret, harmless) => {
      const line = logged((log) => log.info({ deep: [{ deeper: { deepest: { api_key: `s3cr3t${secret}` } } }], note: harmless }, 'x'))
      const parsed = JSON.parse(line) as { deep: [{ deeper: { deepest: { api_key: string } } }] }
      assert.equal(parsed.deep[0].deeper.deepest.api_key, '[redacted]')
      assert.ok(!line.includes('s3cr3t'))
    }),
  )
})

test('numbers of tokens and ordinary addresses are no secrets', () => {
  const line = logged((log) => log.info({ prompt_tokens: 12, url: 'http://127.0.0.1:8000/console', mail: 'a@example.com' }, 'x'))
  assert.ok(!line.includes('[redacted]'), line)
})

test('the journal gets the priority before each line', () => {
  const log = fileURLToPath(new URL('../src/log.ts', import.meta.url))
  const script = `import { fstatSync } from 'node:fs'
    const { dev, ino } = fstatSync(2)
    process.env.JOURNAL_STREAM = dev + ':' + ino
    const { createLogger } = await import(${JSON.stringify(log)})
    const log = createLogger('debug', 'test')
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) log[level](level)`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const lines = stderr.trim().split('\n')
  assert.deepEqual(
    lines.map((line) => [line.slice(0, 3), (JSON.parse(line.slice(3)) as { msg: string }).msg]),
    [
      ['<7>', 'debug'],
      ['<6>', 'info'],
      ['<4>', 'warn'],
      ['<3>', 'error'],
      ['<2>', 'fatal'],
    ],
  )
})
