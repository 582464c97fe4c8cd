import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '#db/embedded.ts'

export const hasRedis = (): boolean => spawnSync('redis-server', ['--version']).status === 0

/** A Redis of its own, durable as BullMQ recommends: append-only file, fsync each second. */
export async function startRedis(): Promise<{ url: string; length(list: string): Promise<number>; stop(): Promise<void> }> {
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-bench-redis-'))
  const server = spawn('redis-server', ['--port', String(port), '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''], {
    stdio: 'ignore',
  })
  while (!(await answers(port))) await pause(20)
  return {
    url: `redis://127.0.0.1:${port}`,
    length: (list) => redisLength(port, list),
    stop: async () => {
      server.kill()
      await once(server, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const answers = (port: number): Promise<boolean> =>
  redisLength(port, 'none').then(
    () => true,
    () => false,
  )

/** LLEN over a bare socket: the runner needs no client library for one number. */
function redisLength(port: number, key: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write(`LLEN ${key}\r\n`))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.end()
      resolve(Number(data.toString().slice(1)))
    })
  })
}
