import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { readConfig } from '#config.ts'
import type { ChainReport, KeptHead } from '#db/audit-verify.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { examples, print, table } from './output.ts'

const COLUMNS = ['chain', 'rows', 'pruned', 'head', 'verdict']

const kept = z.object({
  chains: z.array(z.object({ organization_id: z.string().nullable(), head: z.object({ id: z.number(), seq: z.number(), hash: z.string() }).nullable() })),
})

interface VerifyOptions {
  against?: string
  json?: boolean
}

export function auditCommand(): Command {
  const command = new Command('audit').description('check the audit log')
  command
    .command('verify')
    .description('follow the hash chain of each organisation and of the installation; exit code 1 where a row was changed, removed or moved')
    .option('--against <file>', 'an earlier output of --json: its heads must still stand, so that no chain was written anew')
    .option('--json', 'print the chains with their heads as JSON')
    .addHelpText('after', examples('audit verify', 'audit verify --json > heads.json', 'audit verify --against heads.json'))
    .action(verify)
  return command.addHelpText('after', examples('audit verify', 'audit verify --json'))
}

async function verify({ against, json }: VerifyOptions): Promise<void> {
  const heads = against === undefined ? [] : await keptHeads(against)
  const { verifyAudit } = await import('#db/audit-verify.ts')
  const chains = await withDatabase(readConfig(), ({ system }) => verifyAudit(system, heads))
  const intact = chains.every((chain) => chain.broken === null)
  print(json, { intact, chains }, () => (chains.length === 0 ? 'The audit log is empty.' : table(chains.map(inColumns), COLUMNS)))
  if (!intact) process.exitCode = 1
}

async function keptHeads(file: string): Promise<KeptHead[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Refusal(`--against: ${error.message}`)
  })
  try {
    return kept.parse(JSON.parse(text)).chains
  } catch {
    throw new Refusal(`--against: ${file} is no output of "audit verify --json".`)
  }
}

function inColumns({ slug, organization_id, rows, pruned_through, head, broken }: ChainReport): Record<string, unknown> {
  return {
    chain: slug ?? organization_id ?? '(installation)',
    rows,
    pruned: pruned_through,
    head: head?.hash.slice(0, 16),
    verdict: broken ? `BROKEN at ${broken.seq}: ${broken.detail}` : 'intact',
  }
}
