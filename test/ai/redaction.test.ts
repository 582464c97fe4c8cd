import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { holdsSecrets, redact } from '#ai/redaction.ts'

const LEAVES_NOT: Record<string, string[]> = {
  email: ['kim.lee+help@example.co.uk', 'j@ö-ber.example'],
  phone: ['+44 20 7946 0018', '(030) 1234-5678', '+1 415 555 2671', '0049 171 2345678'],
  card: ['4111 1111 1111 1111', '5500-0000-0000-0004', '378282246310005'],
  iban: ['DE89 3704 0044 0532 0130 00', 'GB29NWBK60161331926819', 'FR14 2004 1010 0505 0001 3M02 606'],
  'account number': ['account number 12345678', 'Acct. no. 0098 7654 321', 'sort code 12-34-56'],
  'social security number': ['078-05-1120'],
  secret: ['password: hunter2', 'my PIN is 9182', 'api_key=abc123def456', 'The passphrase is correct-horse'],
  token: [
    'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
    'AKIAIOSFODNN7EXAMPLE',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl',
    'Bearer abcdef1234567890',
  ],
  'private key': ['-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----'],
  'url with credentials': ['postgres://app:s3cr3t@db.internal/desk'],
}

for (const [kind, examples] of Object.entries(LEAVES_NOT)) {
  for (const example of examples) {
    test(`${kind} is taken out: ${example.slice(0, 30)}`, () => {
      const { text, redactions } = redact(`Hello, ${example} is what I have. Thanks`)
      for (const part of example.split(/\s+/).filter((word) => /\d/.test(word))) assert.ok(!text.includes(part), text)
      assert.ok(Object.keys(redactions).length >= 1)
      assert.ok(text.startsWith('Hello, ') && text.endsWith('Thanks'), text)
    })
  }
}

test('what is no secret stays: dates, addresses of the network, versions, error codes, numbers of tickets', () => {
  const plain =
    'Since 2026-11-25 08:15 version 18.4.0-beta.17 answers 503 on 10.0.0.12; error 0x80070005, ticket 123456, page 12 of 340, 1,000 users, and my password does not work.'
  assert.deepEqual(redact(plain), { text: plain, redactions: {} })
  assert.equal(holdsSecrets(plain), false)
})

test('names are taken out, whole and in parts, and other words are not', () => {
  const { text, redactions } = redact('Robin Lee here. Please ask Robin, not the robins. Mr Lee sleeps.', ['Robin Lee'])
  assert.equal(text, '[name] here. Please ask [name], not the robins. Mr [name] sleeps.')
  assert.deepEqual(redactions, { name: 3 })
})

test('whatever stands around it, an address never leaves', () => {
  fc.assert(
    fc.property(fc.emailAddress(), fc.lorem(), fc.lorem(), (address, before, after) => {
      fc.pre(/^[\w.+-]+@/.test(address))
      assert.ok(!redact(`${before} ${address} ${after}`).text.includes(address))
    }),
  )
})

test('a long text is redacted in no time, whatever it repeats', () => {
  const began = performance.now()
  for (const unit of ['1 ', 'a1A', 'password ', '-----BEGIN ', 'a.', '@', '+1(']) redact(unit.repeat(8_000))
  assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms`)
})
