import { Command } from 'commander'
import { VERSION } from '#version.ts'
import { adminCommand } from './admin.ts'
import { aiCommand } from './ai.ts'
import { auditCommand } from './audit.ts'
import { backupCommand } from './backup.ts'
import { benchCommand } from './bench.ts'
import { doctorCommand } from './doctor.ts'
import { jobsCommand } from './jobs.ts'
import { kbCommand } from './kb.ts'
import { mailboxCommand } from './mailbox.ts'
import { machinesCommand } from './machines.ts'
import { migrateCommand } from './migrate.ts'
import { queuesCommand } from './queues.ts'
import { restoreCommand } from './restore.ts'
import { seedCommand } from './seed.ts'
import { serveCommand } from './serve.ts'
import { slaCommand } from './sla.ts'
import { ticketsCommand } from './tickets.ts'
import { upCommand } from './up.ts'
import { workCommand } from './work.ts'
import { workersCommand } from './workers.ts'

/** The whole command line. A command loads what it needs when it runs, so that --help is quick. */
export function createProgram(): Command {
  const program = new Command('atum-desk')
    .description('A helpdesk whose every background job is a state machine that one can watch, on PostgreSQL alone.')
    .version(VERSION)
    .showHelpAfterError('(--help says more)')
    // A command's unknown option must not be taken for one of these: `ai models activate --version 9` told the program's version, and was a success.
    .enablePositionalOptions()
  for (const command of [
    upCommand,
    serveCommand,
    workCommand,
    migrateCommand,
    adminCommand,
    seedCommand,
    jobsCommand,
    queuesCommand,
    workersCommand,
    aiCommand,
    kbCommand,
    ticketsCommand,
    slaCommand,
    machinesCommand,
    auditCommand,
    mailboxCommand,
    doctorCommand,
    benchCommand,
    backupCommand,
    restoreCommand,
  ]) {
    program.addCommand(command())
  }
  return program
}
