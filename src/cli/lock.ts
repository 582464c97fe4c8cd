import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ConfigError } from '#config.ts'
import { makeFolder } from '#make-folder.ts'
import { Refusal } from './failure.ts'
import { bornAt } from './process-facts.ts'

/** How long a start waits for an owner that may be about to go, and for one that says that it is stopping. */
const GRACE_MS = 1_500
const STOPPING_MS = 60_000

/** What the lock's file says. A process number alone may have gone to another process; together with its start it has not. */
interface Owner {
  pid: number
  born: string
  since: string
  stopping?: boolean
}

/** The right to use a data directory, held by one process. */
export interface Lock {
  /** Tells the next start that waiting is worth while. */
  announceStop(): Promise<void>
  release(): Promise<void>
}

/**
 * Takes the lock of a data directory. One whose owner is dead is taken over.
 *
 * @throws Refusal that names the owner, ConfigError where the directory cannot be used
 */
export async function takeLock(directory: string, say: (line: string) => void): Promise<Lock> {
  await makeDirectory(directory)
  const file = join(directory, 'lock')
  const me: Owner = { pid: process.pid, born: bornAt(process.pid), since: new Date().toISOString() }
  let waited = 0
  while (!(await tryToTake(file, me))) {
    const owner = await ownerOf(file)
    if (!owner) continue
    if (!isAlive(owner)) {
      await removeStale(file, owner)
      continue
    }
    if (owner.stopping && waited === 0) say(`Process ${owner.pid} is stopping on ${directory}; waiting for it.`)
    if (waited >= (owner.stopping ? STOPPING_MS : GRACE_MS))
      throw new Refusal(
        `The data directory ${directory} is in use by process ${owner.pid}, since ${owner.since}.\nStop it (kill ${owner.pid}), or give this one a directory of its own: ATUM_DATA_DIR=/another/directory`,
      )
    await pause(100)
    waited += 100
  }
  return {
    announceStop: () => replace(file, { ...me, stopping: true }),
    release: () => rm(file, { force: true }),
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeFolder(directory)
    const probe = join(directory, `.write-test-${process.pid}`)
    await writeFile(probe, '')
    await rm(probe)
  } catch (error) {
    throw new ConfigError(`ATUM_DATA_DIR: ${directory} cannot be written to (${(error as Error).message})`)
  }
}

/** The file appears whole or not at all, and for one process only: a link cannot replace another. */
async function tryToTake(file: string, me: Owner): Promise<boolean> {
  const draft = `${file}.${me.pid}`
  await writeFile(draft, JSON.stringify(me))
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    await rm(draft, { force: true })
  }
}

async function ownerOf(file: string): Promise<Owner | null> {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return JSON.parse(text) as Owner
  } catch {
    return { pid: 0, born: '', since: '' }
  }
}

/** Two starts may find the same dead owner. Whoever moves away a lock that is not the dead one's puts it back. */
async function removeStale(file: string, stale: Owner): Promise<void> {
  const aside = `${file}.stale-${process.pid}`
  await rename(file, aside).catch(() => {})
  const moved = await ownerOf(aside)
  if (moved && moved.pid !== 0 && (moved.pid !== stale.pid || moved.born !== stale.born)) await link(aside, file).catch(() => {})
  await rm(aside, { force: true })
}

async function replace(file: string, owner: Owner): Promise<void> {
  await writeFile(`${file}.${owner.pid}`, JSON.stringify(owner))
  await rename(`${file}.${owner.pid}`, file)
}

function isAlive({ pid, born }: Owner): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return bornAt(pid) === born
}
