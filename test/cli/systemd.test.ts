import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { proxyTo } from '../support/proxy.ts'
import { without } from '../support/tools.ts'
import { isAlive, start } from './program.ts'
import type { Running } from './program.ts'

const WATCHDOG_MS = 3_000
const skip = without('systemd-notify', 'perl')
/** Node has no datagram sockets of the unix family. */
const LISTEN = `socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0])) or die; $| = 1; print "bound\\n";
  while (defined recv(S, $m, 65536, 0)) { $m =~ s/\\n/; /g; print "$m\\n" }`
/** Lets a signal hang the event loop, as a handler that computes for ever does. */
const HANGS_ON_SIGNAL = `--import=data:text/javascript,process.on('SIGUSR2',()=>{for(;;);})`

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-notify-'))
after(() => rm(directory, { recursive: true }))

interface Service {
  running: Running
  /** What the service told its manager, oldest first. */
  told: string[]
  /** Whether a systemd would have ended the service by now. */
  isStarved(): boolean
}

/** Starts a service as systemd does, and hears what it says. */
async function startService(args: string[], DATABASE_URL: string): Promise<Service> {
  const NOTIFY_SOCKET = join(directory, `${args[0]}-${Math.random()}`)
  const told: string[] = []
  let lastFedAt = performance.now()
  const listener = spawn('perl', ['-MSocket', '-e', LISTEN, NOTIFY_SOCKET], { stdio: ['ignore', 'pipe', 'inherit'] })
  after(() => listener.kill())
  listener.stdout.on('data', (chunk: Buffer) => {
    const lines = chunk.toString().trim().split('\n')
    if (lines.some((line) => line.includes('WATCHDOG=1'))) lastFedAt = performance.now()
    told.push(...lines)
  })
  await until(() => told.includes('bound'), 'the manager listens')
  const running = start(args, {
    DATABASE_URL,
    ATUM_DATA_DIR: directory,
    PORT: '0',
    NOTIFY_SOCKET,
    WATCHDOG_USEC: String(WATCHDOG_MS * 1_000),
    NODE_OPTIONS: HANGS_ON_SIGNAL,
    DRAIN_MS: '7000',
  })
  after(() => isAlive(running.pid) && running.process.kill('SIGKILL'))
  return { running, told, isStarved: () => performance.now() - lastFedAt > WATCHDOG_MS }
}

const last = (service: Service) => service.told.findLast((line) => line.includes('STATUS='))!
const isReady = ({ told }: Service) => told.some((line) => line.includes('READY=1'))

for (const [args, status] of [
  [['work'], /STATUS=worker \d+, 0 jobs in hand; the database answered in \d+ ms/],
  [['serve'], /STATUS=serving http:\S+; the database answered in \d+ ms/],
] as const) {
  test(`${args[0]} is ready when it works, is fed while it turns, and starves when its loop or its database hangs`, { skip }, async () => {
    const { ownerUrl } = await testDatabase()
    const proxy = await proxyTo(ownerUrl)
    proxy.refuse()
    const service = await startService([...args], proxy.url)
    await until(() => service.told.some((line) => line.includes('EXTEND_TIMEOUT_USEC')), 'it waits for the database, and asks for time')
    assert.ok(!isReady(service), 'not ready without a database')

    proxy.mend()
    await until(() => isReady(service), `ready; it says ${service.running.said.stderr}`)
    await until(() => status.test(last(service)), 'the status says what it does')

    proxy.refuse()
    await until(() => /the database is away/.test(last(service)), 'the status says that the database is away')
    assert.match(last(service), /WATCHDOG=1/, 'a service that waits for its database is not ended')
    proxy.mend()
    await until(() => status.test(last(service)), 'the database is back')

    proxy.stall()
    await until(service.isStarved, 'a database that neither answers nor refuses starves it')
    proxy.mend()
    await until(() => !service.isStarved(), 'and it is fed again when answers come')

    service.running.process.kill('SIGUSR2')
    await until(service.isStarved, 'a loop that hangs starves it')
    assert.ok(isAlive(service.running.pid))
  })

  test(`${args[0]} says that it stops, asks for the time of its drain, and ends with 0`, { skip }, async () => {
    const { ownerUrl } = await testDatabase()
    const service = await startService([...args], ownerUrl)
    await until(() => isReady(service), 'ready')
    service.running.process.kill('SIGTERM')
    assert.equal((await service.running.ended).code, 0)
    await until(() => /STOPPING=1; EXTEND_TIMEOUT_USEC=1[08]\d{6};/.test(service.told.join('\n')), 'it asked for time')
  })
}
