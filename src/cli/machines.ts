import { Argument, Command } from 'commander'
import { Refusal } from './failure.ts'
import { examples, print, table } from './output.ts'

const LIST_COLUMNS = ['name', 'initial', 'states', 'events', 'edges']
const CHECK_COLUMNS = ['machine', 'states', 'edges', 'standings', 'faults']

export function machinesCommand(): Command {
  const command = new Command('machines').description('look at the state machines, and check them; no database is needed')
  command.command('list').description('list the machines').option('--json', 'print them as JSON').addHelpText('after', examples('machines list')).action(list)
  command
    .command('show')
    .description('print a machine: its states and their ways out')
    .addArgument(new Argument('<name>', 'the machine, job for instance'))
    .option('--mermaid', 'as a Mermaid state diagram')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('machines show job', 'machines show ticket --mermaid'))
    .action(show)
  command
    .command('check')
    .description('look for traps, unreachable states, shadowed events and unbounded attempts, over all orders of events')
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', examples('machines check'))
    .action(check)
  return command.addHelpText('after', examples('machines list', 'machines show job', 'machines check'))
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { charts } = await import('#machines/charts.ts')
  print(json, { items: charts }, () =>
    table(
      charts.map((chart) => ({ ...chart, states: chart.states.length, events: chart.events.length, edges: chart.edges.length })),
      LIST_COLUMNS,
    ),
  )
}

async function show(name: string, { mermaid, json }: { mermaid?: boolean; json?: boolean }): Promise<void> {
  const [{ charts }, { chartAsMermaid, chartInWords }] = await Promise.all([import('#machines/charts.ts'), import('#machines/drawing.ts')])
  const chart = charts.find((each) => each.name === name)
  if (!chart) throw new Refusal(`There is no machine ${name}. There are: ${charts.map((each) => each.name).join(', ')}.`)
  print(json, { ...chart, mermaid: chartAsMermaid(chart) }, () => (mermaid ? chartAsMermaid(chart) : chartInWords(chart)))
}

async function check({ json }: { json?: boolean }): Promise<void> {
  const [{ checkMachines }, { faultInWords }] = await Promise.all([import('#machines/checks.ts'), import('#machines/check.ts')])
  const machines = checkMachines()
  const faults = machines.flatMap((machine) => machine.faults)
  print(json, { sound: faults.length === 0, machines }, () =>
    [
      table(
        machines.map((machine) => ({ ...machine, faults: machine.faults.length })),
        CHECK_COLUMNS,
      ),
      ...faults.map(faultInWords),
    ].join('\n'),
  )
  if (faults.length > 0) process.exitCode = 1
}
