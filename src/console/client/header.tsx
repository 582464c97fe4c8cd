import { Brand } from './brand.tsx'
import { signOut } from './api.ts'
import { CommandBar } from './command-bar.tsx'
import { Nav } from './nav.tsx'
import { useConnection } from './polling.ts'
import { ACCOUNT, DESK, HOME } from './route.ts'
import type { Health, Me } from './shapes.ts'
import { spoken } from './states.ts'

/** Where one is, whether the service is well, who one is. */
export function Header({ me, health, surface, path }: { me: Me | undefined; health: Health | undefined; surface: 'console' | 'desk'; path: string }) {
  return (
    <header class="header">
      <a class="header-home" href={surface === 'desk' ? DESK : HOME} aria-label={`ATUM DESK ${surface}`}>
        <Brand />
      </a>
      <Nav surface={surface} path={path} role={me?.role} />
      <HealthMark health={health} />
      <span class="header-space" />
      <CommandBar role={me?.role} />
      {me && (
        <a
          class="header-me nav-link"
          href={ACCOUNT}
          title={`${me.email}: your account`}
          aria-current={surface === 'console' && path === 'account' ? 'page' : undefined}
        >
          <span class="header-email">{me.email}</span>
          <span class="header-role">{spoken(me.role)}</span>
        </a>
      )}
      <button class="button button-quiet" onClick={() => void signOut()}>
        Sign out
      </button>
    </header>
  )
}

function HealthMark({ health }: { health: Health | undefined }) {
  const { up } = useConnection()
  if (!up) return <Mark tone="failed" words="API away" />
  if (!health) return null
  const { status, workers_alive: workers, checks } = health
  return (
    <details class="health">
      <summary>
        <Mark {...MARKS[status]} />
        {workers !== null && (
          <span class={workers === 0 ? 'health-workers none' : 'health-workers'}>
            {workers} {workers === 1 ? 'worker' : 'workers'}
          </span>
        )}
      </summary>
      <dl class="facts health-facts">
        {flat(checks).map(([fact, value]) => (
          <div key={fact}>
            <dt>{fact}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

const MARKS = {
  ok: { tone: 'done', words: 'Healthy' },
  degraded: { tone: 'retried', words: 'Degraded' },
  unhealthy: { tone: 'failed', words: 'Not well' },
} as const satisfies Record<Health['status'], unknown>

/** The leaves of a tree of facts, each with the words on the way to it. */
function flat(facts: Record<string, unknown>, before = ''): [string, string][] {
  return Object.entries(facts).flatMap(([name, value]): [string, string][] => {
    const words = `${before} ${spoken(name)}`.trim()
    if (Array.isArray(value)) return [[words, value.join(', ') || 'none']]
    if (typeof value === 'object' && value !== null) return flat(value as Record<string, unknown>, words)
    return [[words, value === null ? 'unknown' : JSON.stringify(value).replaceAll('"', '')]]
  })
}

function Mark({ tone, words }: { tone: string; words: string }) {
  return (
    <span class={`health-mark tone-${tone}`}>
      <span class="dot" />
      {words}
    </span>
  )
}
