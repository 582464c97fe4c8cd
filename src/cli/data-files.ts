import { randomBytes } from 'node:crypto'
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Config } from '#config.ts'
import { makeFolder } from '#make-folder.ts'
import { Refusal } from './failure.ts'

const SECRET_BYTES = 48
const SECRET_CHARS_MIN = 32

const account = z.object({ email: z.string(), password: z.string() })
const demoSignIns = z.object({
  organization: z.string(),
  users: z.array(account.extend({ role: z.string() })),
  operator: account,
})

/** The sign-ins of the demo organisation, as demo.json has them. */
export type DemoSignIns = z.infer<typeof demoSignIns>

/** The secret that signs access tokens: ATUM_SECRET, or one that is made once and kept in the data directory. */
export async function accessSecret(config: Config): Promise<string> {
  if (config.ATUM_SECRET) return config.ATUM_SECRET
  const file = join(config.ATUM_DATA_DIR, 'secret')
  const kept = await readIfThere(file)
  if (kept !== null) return checked(kept.trim(), file)
  await makeFolder(config.ATUM_DATA_DIR)
  // Whole or not at all: a link appears with what it names, and only once.
  const fresh = `${file}.${process.pid}`
  await writeFile(fresh, randomBytes(SECRET_BYTES).toString('base64url'), { mode: 0o600 })
  try {
    await link(fresh, file)
  } catch (error) {
    // Another process made it at the same time: that one counts.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(fresh)
  }
  return checked((await readFile(file, 'utf8')).trim(), file)
}

/** @throws Refusal where the file holds less than what was written */
function checked(secret: string, file: string): string {
  if (secret.length >= SECRET_CHARS_MIN) return secret
  throw new Refusal(
    `${file} holds ${secret.length} characters, which is no secret. Delete it to have a new one made (everybody signs in anew, second factors are set up anew), or set ATUM_SECRET.`,
  )
}

/** The secret as far as there is one already. */
export async function keptSecret(config: Config): Promise<string | null> {
  return config.ATUM_SECRET ?? (await readIfThere(join(config.ATUM_DATA_DIR, 'secret')))?.trim() ?? null
}

const demoFile = (directory: string): string => join(directory, 'demo.json')

/** The demo sign-ins, null where there are none. */
export async function readDemo(directory: string): Promise<DemoSignIns | null> {
  const text = await readIfThere(demoFile(directory))
  if (text === null) return null
  try {
    return demoSignIns.parse(JSON.parse(text))
  } catch (error) {
    throw new Refusal(`${demoFile(directory)} is not what it should be (${(error as Error).message}). Delete it; "atum-desk admin create" makes new accounts.`)
  }
}

/** Keeps the demo sign-ins, readable for the one who started the program alone. */
export async function writeDemo(directory: string, demo: DemoSignIns): Promise<void> {
  const file = demoFile(directory)
  await writeFile(`${file}.new`, `${JSON.stringify(demoSignIns.parse(demo), null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
