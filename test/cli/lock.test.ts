import assert from 'node:assert/strict'
import { readdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { takeLock } from '../../src/cli/lock.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-lock-'))
after(() => rm(directory, { recursive: true }))
const said: string[] = []
const take = () => takeLock(directory, (line) => said.push(line))

test('a lock is held by one, and free when it is released', async () => {
  const lock = await take()
  await assert.rejects(take(), new RegExp(`in use by process ${process.pid}`))
  await lock.release()
  await (await take()).release()
  assert.deepEqual(await readdir(directory), [])
})

test('a lock is taken over from a dead owner, from one whose number has gone to another process, and from a torn file', async () => {
  for (const left of [
    JSON.stringify({ pid: 2 ** 22 + 1, born: 'x', since: '' }),
    JSON.stringify({ pid: process.pid, born: 'another', since: '' }),
    '{"pid":',
  ]) {
    await writeFile(join(directory, 'lock'), left)
    await (await take()).release()
  }
})

test('a start waits for an owner that says it is stopping', async () => {
  const lock = await take()
  await lock.announceStop()
  const next = take()
  setTimeout(() => void lock.release(), 2_000)
  await (await next).release()
  assert.match(said.at(-1)!, /is stopping .* waiting for it/)
})
