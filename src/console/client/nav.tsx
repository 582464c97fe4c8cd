import { DESK, HOME } from './route.ts'

const CONSOLE = ['operator', 'admin', 'manager']
const QUALITY = ['admin', 'manager', 'agent']

/** Who is shown which page, and the keys that lead there. The server decides what each may read; this only spares a person pages that would be empty. */
const PAGES = [
  { address: DESK, name: 'Desk', keys: 'g d', roles: ['customer_user', 'customer_admin', 'agent', 'manager', 'admin'] },
  { address: HOME, name: 'Overview', keys: 'g o', roles: CONSOLE },
  { address: `${HOME}machines`, name: 'Machines', keys: 'g c', roles: CONSOLE },
  { address: `${HOME}jobs`, name: 'Jobs', keys: 'g j', roles: CONSOLE },
  { address: `${HOME}queues`, name: 'Queues', keys: 'g q', roles: CONSOLE },
  { address: `${HOME}workers`, name: 'Workers', keys: 'g w', roles: CONSOLE },
  { address: `${HOME}health`, name: 'Health', keys: 'g h', roles: CONSOLE },
  { address: `${HOME}ai`, name: 'AI quality', keys: 'g i', roles: QUALITY },
  { address: `${HOME}sla`, name: 'SLA', keys: 'g s', roles: QUALITY },
] as const

export const pagesOf = (role: string | undefined) => PAGES.filter(({ roles }) => role !== undefined && (roles as readonly string[]).includes(role))

/** The pages of the console, and the desk. */
export function Nav({ surface, path, role }: { surface: 'console' | 'desk'; path: string; role: string | undefined }) {
  const here = surface === 'desk' ? DESK : HOME + path.split('/')[0]
  return (
    <nav class="nav" aria-label="Pages">
      {pagesOf(role).map(({ address, name }) => (
        <a key={address} class="nav-link" href={address} aria-current={address === here ? 'page' : undefined}>
          {name}
        </a>
      ))}
    </nav>
  )
}
