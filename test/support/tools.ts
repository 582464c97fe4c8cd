import { spawnSync } from 'node:child_process'

/** Why a test that needs these programs is skipped; false where they are there. */
export function without(...programs: string[]): string | false {
  const missing = programs.filter((program) => spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0)
  return missing.length > 0 && `not installed here: ${missing.join(', ')}`
}

/** Runs a program to its end. */
export function runTool(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; input?: string } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (error) throw error
  return { status, stdout, stderr, said: `${stdout}${stderr}` }
}
