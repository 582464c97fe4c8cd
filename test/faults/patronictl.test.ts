import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../support/database.ts'
import { debianBinaries, once } from '../support/debian-postgres.ts'
import { startPatroni } from '../support/patroni.ts'
import { without } from '../support/tools.ts'

/** Patroni answers from Python: asked all the time, it does nothing else. */
const ASK_MS = 250
const PATIENCE_MS = 120_000

const bin = debianBinaries()
const skip = without('etcd', 'patroni', 'patronictl') || (!bin && 'no PostgreSQL of the distribution')

test('an operator moves the primary by switchover, moves it by failover where nobody leads, and builds a node anew', { skip }, async (t) => {
  const cluster = await startPatroni(bin!)
  const wait = (fact: () => Promise<boolean>, what: string) =>
    until(fact, what, PATIENCE_MS, ASK_MS).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${cluster.ctl('list')}\n${await cluster.said()}`)
    })
  /** None where etcd or Patroni is too busy to say. */
  const members = (): { Member: string; Role: string; State: string }[] => {
    try {
      return JSON.parse(cluster.ctl('list', '--format', 'json')) as { Member: string; Role: string; State: string }[]
    } catch {
      return []
    }
  }
  /** Older releases of Patroni say of a replica that streams that it runs. */
  const isUp = ({ State }: { State: string }) => State === 'running' || State === 'streaming'
  const of = (role: string) => members().find(({ Role }) => Role === role)?.Member
  /** What an operator does who is told that it cannot be done yet: asks again. */
  const order = async (fact: () => Promise<boolean>, what: string, args: () => string[]) => {
    let answer = ''
    await wait(async () => {
      if (await fact()) return true
      try {
        answer = cluster.ctl(...args())
      } catch (error) {
        answer = (error as Error).message
      }
      return fact()
    }, what).catch((error: Error) => {
      throw new Error(`${answer}\n${error.message}`)
    })
  }
  const writes = async (row: string) => {
    await wait(async () => (await once(cluster.url, `insert into kept values ('${row}')`).catch(() => null)) !== null, `${row} is written`)
    return row
  }
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const since = performance.now()
    await work()
    t.diagnostic(`${what}: ${((performance.now() - since) / 1_000).toFixed(1)} s`)
  }
  await wait(async () => (await once(cluster.url, 'create table if not exists kept (what text)').catch(() => null)) !== null, 'the router leads to the primary')
  const rows = [await writes('before')]

  const first = (await cluster.primary())!.name
  const follower = () => of('Sync Standby') ?? 'nobody'
  await timed('switchover, until the new primary writes', async () => {
    const isMoved = async () => ((await cluster.primary())?.name ?? first) !== first
    await order(isMoved, 'another leads', () => ['switchover', 'atum-desk', '--candidate', follower(), '--force'])
    rows.push(await writes('after the switchover'))
  })
  await wait(async () => of('Sync Standby') !== undefined && members().filter(isUp).length === 3, 'all three run')

  const third = members().find(({ Member, Role }) => Role === 'Replica' && Member !== first)?.Member ?? first
  await timed('reinit of a replica, until it streams', async () => {
    const made = (await stat(join(cluster.dataOf(third), 'PG_VERSION'))).ctimeMs
    const isNew = () =>
      stat(join(cluster.dataOf(third), 'PG_VERSION')).then(
        ({ ctimeMs }) => ctimeMs > made,
        () => false,
      )
    await order(isNew, `${third} is built anew`, () => ['reinit', 'atum-desk', third, '--force', '--wait'])
    await wait(async () => members().some((member) => member.Member === third && isUp(member)) && (await cluster.follows(third)), `${third} streams`)
  })

  cluster.ctl('pause', 'atum-desk', '--wait')
  await wait(async () => of('Sync Standby') !== undefined, 'a synchronous standby')
  const candidate = of('Sync Standby')!
  await cluster.cut((await cluster.primary())!)
  await timed('failover by hand in a paused cluster, until the candidate writes', async () => {
    await wait(async () => members().length > 0 && of('Leader') === undefined, 'nobody leads')
    const leads = async () => (await cluster.primary())?.name === candidate
    await order(leads, `${candidate} leads`, () => ['failover', 'atum-desk', '--candidate', candidate, '--force'])
    cluster.ctl('resume', 'atum-desk')
    rows.push(await writes('after the failover'))
  })
  const { rows: kept } = await once(cluster.url, 'select what from kept')
  assert.deepEqual(
    rows.filter((row) => !kept.some(({ what }: { what: string }) => what === row)),
    [],
    'confirmed rows that are lost',
  )
})
