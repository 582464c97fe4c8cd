import { constants } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder } from '#make-folder.ts'
import { sha256Of } from './manifest.ts'

/** A file as a row of the database speaks of it. */
export interface KeptFile {
  key: string
  sha256: string
}

/** Copies files, each checked against what is known of it. @returns the keys of those that are missing, and of those that are others */
export async function copyFiles(files: readonly KeptFile[], from: string, to: string, each: () => void): Promise<{ missing: string[]; damaged: string[] }> {
  const missing: string[] = []
  const damaged: string[] = []
  for (const { key, sha256 } of files) {
    const [source, target] = [join(from, key), join(to, key)]
    if (!(await isThere(source))) missing.push(key)
    else {
      await makeFolder(dirname(target), 0o700)
      if (!(await isThere(target))) await copyFile(source, target, constants.COPYFILE_EXCL)
      if ((await sha256Of(target)) !== sha256) damaged.push(key)
    }
    each()
  }
  return { missing, damaged }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  )
