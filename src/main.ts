import { explain } from './cli/failure.ts'
import { createProgram } from './cli/program.ts'

/** Runs the program with the arguments behind its name; sets the exit code, 0 only where what was asked for is done. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...args], { from: 'user' })
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    process.exitCode = 1
  }
}
