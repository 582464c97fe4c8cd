import { Argument, Command } from 'commander'
import { readConfig } from '#config.ts'
import type { JobReplay } from '#db/job-replay.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { whole } from './numbers.ts'
import { examples, inWords, print, table } from './output.ts'

const STEP_COLUMNS = ['seq', 'event', 'state', 'attempt', 'worker', 'last_error', 'at']

export function jobReplayCommand(): Command {
  return new Command('replay')
    .description('fold the log of a job through its machine, step by step, and compare the end with its row')
    .addArgument(new Argument('<id>', "the job's number").argParser(whole(1)))
    .option('--seq <n>', 'only up to this event', whole(1))
    .option('--json', 'print the steps as JSON')
    .addHelpText('after', examples('jobs replay 42', 'jobs replay 42 --seq 3 --json'))
    .action(replay)
}

async function replay(id: number, { seq, json }: { seq?: number; json?: boolean }): Promise<void> {
  const { LogTooLongError, replayJob } = await import('#db/job-replay.ts')
  const replayed = await withDatabase(readConfig(), ({ system }) => replayJob(system, id, seq)).catch((error: unknown) => {
    throw error instanceof LogTooLongError ? new Refusal(`Job ${id} cannot be replayed: ${error.message}.`) : error
  })
  if (!replayed) throw new Refusal(`There is no job ${id}.`)
  const { job, steps, mismatch, differences } = replayed
  if (seq !== undefined && seq > job.version) throw new Refusal(`Job ${id} has no event ${seq}: its last is ${job.version}.`)
  const sound = mismatch === null && !differences?.length
  const facts = mismatch && { seq: mismatch.seq, logged: mismatch.logged, machine: mismatch.machine }
  print(json, { id, matches_row: mismatch || differences ? sound : null, steps, mismatch: facts, differences: differences ?? [] }, () =>
    [
      table(
        steps.map((step) => ({ ...step })),
        STEP_COLUMNS,
      ),
      verdictOf(replayed),
    ].join('\n\n'),
  )
  if (!sound) process.exitCode = 1
}

function verdictOf({ job, mismatch, differences }: JobReplay): string {
  if (mismatch) return `The log is no path of the machine. ${mismatch.message}.`
  if (!differences) return `The log goes on to event ${job.version}.`
  if (differences.length === 0) return 'The row is what its log says.'
  return differences
    .map(({ field, row, replay }) => `The row differs from its log in ${field}: ${inWords(row)} in the row, ${inWords(replay)} by the log.`)
    .join('\n')
}
