import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { consoleDirectory } from '#console/directory.ts'

const CLIENT = fileURLToPath(new URL('../console/client', import.meta.url))

/**
 * Bundles the console where it is missing or older than its sources. An installation without the bundler is served what
 * it came with; the API works without a console.
 */
export async function ensureConsole(say: (line: string) => void): Promise<void> {
  if ((await builtAt()) >= (await changedAt())) return
  try {
    const { buildConsole } = await import('#console/build.ts')
    await buildConsole()
  } catch (error) {
    say(`The console could not be built (${(error as Error).message}); the API is served without it.`)
  }
}

async function builtAt(): Promise<number> {
  return (await stat(join(consoleDirectory, 'index.html')).catch(() => null))?.mtimeMs ?? 0
}

async function changedAt(): Promise<number> {
  const files = (await readdir(CLIENT, { recursive: true, withFileTypes: true }).catch(() => [])).filter((entry) => entry.isFile())
  const times = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).mtimeMs))
  return Math.max(1, ...times)
}
