import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { openSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killBackends } from '#db/embedded-cluster.ts'
import { freePort } from '#db/embedded.ts'
import { until } from './database.ts'
import { postgresAccount } from './debian-postgres.ts'
import { runTool, without } from './tools.ts'

const CONFIG = fileURLToPath(new URL('../../infra/patroni/patroni.yml', import.meta.url))
const HAPROXY_CONFIG = fileURLToPath(new URL('../../infra/patroni/haproxy.cfg', import.meta.url))
const PASSWORD = 'a-password-of-the-tests'
const CHECK_MS = 500
/** Patroni answers from Python: asked all the time, it does nothing else. */
const ASK_MS = 250
const START_MS = 60_000
const LAST_WORDS_CHARS = 5_000

interface Node {
  name: string
  port: number
  api: number
  data: string
  process: ChildProcess
}

/** Three nodes under Patroni, and one address that leads to the primary. */
export interface PatroniCluster {
  /** The superuser's address by way of the router: HAProxy where it is installed. */
  url: string
  router: 'HAProxy' | 'a stand-in'
  primary(): Promise<Node | null>
  /** Ends a node as a power cut does. */
  cut(node: Node): Promise<void>
  /** What an operator's `patronictl` answers. */
  ctl(...args: string[]): string
  /** Starts a node again on the data that it left. */
  comeBack(node: Node): void
  /** Whether the node streams from the primary. */
  follows(node: Node | string): Promise<boolean>
  /** Where a node keeps its data. */
  dataOf(name: string): string
  /** What etcd, Patroni and PostgreSQL said last. */
  said(chars?: number): Promise<string>
}

/** Starts etcd and three nodes with the configuration of infra/patroni; everything goes when the tests are over. */
export async function startPatroni(bin: string): Promise<PatroniCluster> {
  const account = postgresAccount()
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-patroni-'))
  // PostgreSQL's account has to pass.
  await chmod(directory, 0o755)
  const log = openSync(join(directory, 'log'), 'a')
  // Killed processes lose nothing that was written, synced or not.
  const config = join(directory, 'patroni.yml')
  await writeFile(config, (await readFile(CONFIG, 'utf8')).replace('  parameters:\n    password', "  parameters:\n    fsync: 'off'\n    password"))
  const started: ChildProcess[] = []
  const launch = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess => {
    const child = spawn(command, args, { ...account, cwd: '/', env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', ...env }, stdio: ['ignore', log, log] })
    started.push(child)
    return child
  }
  const folder = async (name: string): Promise<string> => {
    await mkdir(join(directory, name), { mode: 0o700 })
    if (account.uid !== undefined) await chown(join(directory, name), account.uid, account.gid!)
    return join(directory, name)
  }

  const [etcd, peer] = [await freePort(), await freePort()]
  const at = (port: number) => `http://127.0.0.1:${port}`
  const client = ['--data-dir', await folder('etcd'), '--listen-client-urls', at(etcd), '--advertise-client-urls', at(etcd)]
  const peers = ['--listen-peer-urls', at(peer), '--initial-advertise-peer-urls', at(peer), '--initial-cluster', `default=${at(peer)}`]
  launch('etcd', [...client, ...peers, '--unsafe-no-fsync'])
  await until(() => answers(`${at(etcd)}/health`), 'etcd is healthy', START_MS)

  const startPatroniOf = ({ name, port, api, data }: Omit<Node, 'process'>): ChildProcess =>
    launch('patroni', [config], {
      PATRONI_NAME: name,
      PATRONI_RESTAPI_LISTEN: `127.0.0.1:${api}`,
      PATRONI_RESTAPI_CONNECT_ADDRESS: `127.0.0.1:${api}`,
      PATRONI_POSTGRESQL_LISTEN: `127.0.0.1:${port}`,
      PATRONI_POSTGRESQL_CONNECT_ADDRESS: `127.0.0.1:${port}`,
      PATRONI_POSTGRESQL_DATA_DIR: data,
      PATRONI_POSTGRESQL_BIN_DIR: bin,
      PATRONI_POSTGRESQL_PGPASS: join(directory, name, 'pgpass'),
      PATRONI_ETCD3_HOSTS: `127.0.0.1:${etcd}`,
      PATRONI_SUPERUSER_PASSWORD: PASSWORD,
      PATRONI_REPLICATION_PASSWORD: PASSWORD,
      PATRONI_REWIND_PASSWORD: PASSWORD,
    })
  const startNode = async (name: string): Promise<Node> => {
    const [port, api] = [await freePort(), await freePort()]
    const place = { name, port, api, data: join(await folder(name), 'data') }
    return { ...place, process: startPatroniOf(place) }
  }
  const nodes = [await startNode('pg1'), await startNode('pg2'), await startNode('pg3')]
  const cut = async (node: Node): Promise<void> => {
    node.process.kill('SIGKILL')
    await killBackends(node.data)
  }
  const primary = async (): Promise<Node | null> => {
    const leads = await Promise.all(nodes.map(({ api }) => answers(`${at(api)}/primary`)))
    return nodes.find((_, index) => leads[index]) ?? null
  }
  const isInstalled = without('haproxy') === false
  const router = isInstalled ? await haproxyTo(nodes, directory, (args) => launch('haproxy', args)) : routeTo(primary)
  after(async () => {
    router.close()
    for (const child of started) child.kill('SIGKILL')
    for (const node of nodes) await killBackends(node.data)
    await rm(directory, { recursive: true, force: true })
  })
  const said = async (chars = LAST_WORDS_CHARS) => (await readFile(join(directory, 'log'), 'utf8')).slice(-chars)
  const synchronous = async () => (await Promise.all(nodes.map(({ api }) => answers(`${at(api)}/synchronous`)))).some(Boolean)
  const streaming = async () => (await Promise.all(nodes.map(({ api }) => answers(`${at(api)}/replica`)))).filter(Boolean).length === 2
  await until(async () => (await primary()) !== null && (await synchronous()) && (await streaming()), 'three nodes replicate', START_MS, ASK_MS).catch(
    async (error: Error) => {
      throw new Error(`${error.message}\n${await said()}`)
    },
  )
  return {
    url: `postgres://postgres:${PASSWORD}@127.0.0.1:${await router.port}/postgres`,
    router: isInstalled ? 'HAProxy' : 'a stand-in',
    primary,
    cut,
    ctl: (...args) => {
      const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', PATRONI_ETCD3_HOSTS: `127.0.0.1:${etcd}` }
      const { status, stdout, said } = runTool('patronictl', ['-c', config, ...args], { env })
      if (status !== 0) throw new Error(said)
      return stdout
    },
    comeBack: (node) => {
      node.process = startPatroniOf(node)
    },
    follows: async (which) => {
      const node = nodes.find(({ name }) => name === (typeof which === 'string' ? which : which.name))!
      const status = (await fetch(`${at(node.api)}/replica`).then(
        (answer) => answer.json(),
        () => ({}),
      )) as { state?: string; replication_state?: string }
      return status.state === 'running' && (status.replication_state ?? 'streaming') === 'streaming'
    },
    dataOf: (name) => nodes.find((node) => node.name === name)!.data,
    said,
  }
}

function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (answer) => {
      await answer.arrayBuffer()
      return answer.ok
    },
    () => false,
  )
}

/** HAProxy by infra/patroni/haproxy.cfg, with the addresses of this cluster. */
async function haproxyTo(nodes: readonly Node[], directory: string, launch: (args: string[]) => ChildProcess): Promise<{ port: number; close(): void }> {
  const port = await freePort()
  const config = nodes
    .reduce(
      (text, { name, port, api }) => text.replace(new RegExp(`server ${name} .*`), `server ${name} 127.0.0.1:${port} check port ${api}`),
      await readFile(HAPROXY_CONFIG, 'utf8'),
    )
    .replace('bind 127.0.0.1:5432', `bind 127.0.0.1:${port}`)
  const file = join(directory, 'haproxy.cfg')
  await writeFile(file, config)
  const haproxy = launch(['-db', '-f', file])
  return { port, close: () => void haproxy.kill('SIGKILL') }
}

/** What HAProxy does by infra/patroni/haproxy.cfg: leads to the primary, and ends connections to one that no longer is. */
function routeTo(primary: () => Promise<Node | null>): { port: Promise<number>; close(): void } {
  let leader: Node | null = null
  const open = new Map<Socket, Node>()
  const look = async (): Promise<void> => {
    leader = await primary()
    for (const [socket, node] of open) if (node !== leader) socket.destroy()
  }
  const timer = setInterval(() => {
    void look()
  }, CHECK_MS)
  const server = createServer((near) => {
    near.on('error', () => {})
    if (!leader) {
      near.destroy()
      return
    }
    const far = connect(leader.port, '127.0.0.1')
    open.set(near, leader)
    near.on('close', () => {
      far.destroy()
      open.delete(near)
    })
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.pipe(far).pipe(near)
  })
  return {
    port: new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))),
    close: () => {
      clearInterval(timer)
      for (const socket of open.keys()) socket.destroy()
      server.close()
    },
  }
}
