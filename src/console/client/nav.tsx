import { DESK, HOME } from './route.ts'

/** Who is shown which page. The server decides what each may read; this only spares a person pages that would be empty. */
const PAGES = [
  { path: '', name: 'Overview', roles: ['operator', 'admin', 'manager'] },
  { path: 'machines', name: 'Machines', roles: ['operator', 'admin', 'manager'] },
  { path: 'jobs', name: 'Jobs', roles: ['operator', 'admin', 'manager'] },
  { path: 'queues', name: 'Queues', roles: ['operator', 'admin', 'manager'] },
  { path: 'workers', name: 'Workers', roles: ['operator', 'admin', 'manager'] },
  { path: 'health', name: 'Health', roles: ['operator', 'admin', 'manager'] },
  { path: 'ai', name: 'AI quality', roles: ['admin', 'manager', 'agent'] },
  { path: 'sla', name: 'SLA', roles: ['admin', 'manager', 'agent'] },
] as const

/** The pages of the console, and the desk. */
export function Nav({ surface, path, role }: { surface: 'console' | 'desk'; path: string; role: string | undefined }) {
  const here = surface === 'console' ? path.split('/')[0] : null
  const shown = PAGES.filter(({ roles }) => role !== undefined && (roles as readonly string[]).includes(role))
  return (
    <nav class="nav" aria-label="Pages">
      {role !== undefined && role !== 'operator' && (
        <a class="nav-link" href={DESK} aria-current={surface === 'desk' ? 'page' : undefined}>
          Desk
        </a>
      )}
      {shown.map((page) => (
        <a key={page.path} class="nav-link" href={HOME + page.path} aria-current={page.path === here ? 'page' : undefined}>
          {page.name}
        </a>
      ))}
    </nav>
  )
}
