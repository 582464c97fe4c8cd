import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { Command, Option } from 'commander'
import { z } from 'zod'
import { readConfig } from '#config.ts'
import { sqlState } from '#db/errors.ts'
import { withDatabase } from './connection.ts'
import { Refusal } from './failure.ts'
import { examples, print } from './output.ts'

const ROLES = ['admin', 'manager', 'agent', 'customer_admin', 'customer_user', 'operator'] as const

interface AdminOptions {
  email: string
  organization?: string
  role: (typeof ROLES)[number]
  name?: string
  passwordStdin?: boolean
  json?: boolean
}

export function adminCommand(): Command {
  const command = new Command('admin').description('accounts that no one signs up for')
  command
    .command('create')
    .description('make an account: an admin of an organisation, or with --role operator one of the installation')
    .requiredOption('--email <email>', 'the address to sign in with')
    .option('--organization <slug>', 'the organisation; an operator has none')
    .addOption(new Option('--role <role>', 'what the account may do').choices(ROLES).default('admin'))
    .option('--name <name>', 'the full name (default: the address)')
    .option('--password-stdin', 'read the password from standard input; otherwise one is made and printed')
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      examples(
        'admin create --email ada@example.com --organization example',
        'admin create --email root@example.com --role operator --password-stdin < password.txt',
      ),
    )
    .action(create)
  command
    .command('reset-2fa')
    .description('remove the second factor of an account whose owner lost it, and end its sign-ins')
    .requiredOption('--email <email>', 'the address of the account')
    .option('--organization <slug>', 'the organisation; an operator has none')
    .option('--json', 'print the account as JSON')
    .addHelpText('after', examples('admin reset-2fa --email root@example.com', 'admin reset-2fa --email ada@example.com --organization example'))
    .action(resetSecondFactor)
  return command.addHelpText('after', examples('admin create --email ada@example.com --organization example', 'admin reset-2fa --email root@example.com'))
}

async function create({ email: given, organization, role, name, passwordStdin, json }: AdminOptions): Promise<void> {
  const email = z.email().max(254).safeParse(given.toLowerCase())
  if (!email.success) throw new Refusal(`--email: ${given} is not an address.`)
  if ((role === 'operator') !== (organization === undefined))
    throw new Refusal(
      role === 'operator'
        ? 'An operator belongs to the installation: leave --organization out.'
        : `--organization: an account with the role ${role} needs one.`,
    )
  const password = passwordStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : randomBytes(15).toString('base64url')
  const { passwordFault } = await import('#http/password-policy.ts')
  const fault = await passwordFault(password, [email.data, name ?? ''])
  if (fault !== null) throw new Refusal(`The password ${fault}.`)
  const [{ hashPassword }, { insertUser }, { actor, namedOrganization }, { auditMachineAct }] = await Promise.all([
    import('#http/passwords.ts'),
    import('#db/users.ts'),
    import('./operator.ts'),
    import('#db/machine-audit.ts'),
  ])
  const password_hash = await hashPassword(password)
  const { id } = await withDatabase(readConfig(), ({ system }) =>
    system.transaction(async (tx) => {
      const organization_id = await namedOrganization(tx, organization)
      const user = await insertUser(tx, { organization_id, email: email.data, password_hash, full_name: name ?? email.data, role })
      const act = { organization_id, action: 'user.create', entity_type: 'user', entity_id: user.id }
      await auditMachineAct(tx, { ...act, details: { ...actor(), role } })
      return user
    }),
  ).catch((error: unknown) => {
    throw sqlState(error) === '23505' ? new Refusal(`There is an account for ${email.data} already.`) : error
  })
  const made = { id, email: email.data, role, organization: organization ?? null, ...(passwordStdin ? {} : { password }) }
  print(json, made, () => `Made ${role} ${email.data}.${passwordStdin ? '' : `\nPassword: ${password}`}`)
}

async function resetSecondFactor({ email, organization, json }: { email: string; organization?: string; json?: boolean }): Promise<void> {
  const [{ findAccountOf }, { removeSecondFactor }, { revokeTokensOfUser }, { actor, namedOrganization }, { auditMachineAct }] = await Promise.all([
    import('#db/users.ts'),
    import('#db/second-factors.ts'),
    import('#db/sessions.ts'),
    import('./operator.ts'),
    import('#db/machine-audit.ts'),
  ])
  const account = await withDatabase(readConfig(), ({ system }) =>
    system.transaction(async (tx) => {
      const organization_id = await namedOrganization(tx, organization)
      const found = await findAccountOf(tx, organization_id, email)
      if (!found)
        throw new Refusal(`There is no account for ${email}${organization ? ` in ${organization}` : ' among the operators: --organization names where it is'}.`)
      if (!(await removeSecondFactor(tx, found.id))) throw new Refusal(`${email} has no second factor.`)
      await revokeTokensOfUser(tx, found.id)
      await auditMachineAct(tx, { organization_id, action: 'two_factor.reset', entity_type: 'user', entity_id: found.id, details: { ...actor() } })
      return found
    }),
  )
  print(json, { id: account.id, email: account.email }, () => `${account.email} signs in without a second factor now.`)
}
