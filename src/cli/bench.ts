import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { Refusal } from './failure.ts'
import { examples } from './output.ts'

const SUITES = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure this version, alone or beside other queues, on an embedded PostgreSQL of its own; in a clone only')
    .argument('[suites...]', 'what to measure, and the options of the suites; "bench list" names both')
    .option('--json', 'print a line of JSON for each suite')
    .allowUnknownOption()
    .addHelpText('after', examples('bench list', 'bench drain --jobs 100000 --peers none --json'))
    .action(bench)
}

async function bench(suites: readonly string[], { json }: { json?: boolean }): Promise<void> {
  if (!existsSync(SUITES)) throw new Refusal('The benchmarks are not in the package: clone the repository, and run them there.')
  const args = suites[0] === 'list' ? ['--help'] : [...suites, ...(json ? ['--json'] : [])]
  const child = spawn(process.execPath, [SUITES, ...args], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
}
