import { signOut } from './api.ts'
import { useConnection } from './polling.ts'
import type { Health, Me } from './shapes.ts'
import { Brand } from './sign-in.tsx'

/** Where one is, whether the service is well, who one is. */
export function Header({ me, health }: { me: Me | undefined; health: Health | undefined }) {
  return (
    <header class="header">
      <a class="header-home" href="/console" aria-label="ATUM DESK console: all jobs">
        <Brand />
      </a>
      <HealthMark health={health} />
      <span class="header-space" />
      {me && (
        <span class="header-me" title={me.email}>
          <span class="header-email">{me.email}</span>
          <span class="header-role">{me.role.replaceAll('_', ' ')}</span>
        </span>
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
  const { well, facts } = health
  const workers = facts['workers_alive']
  return (
    <details class="health">
      <summary>
        <Mark tone={well ? 'done' : 'failed'} words={well ? 'Healthy' : 'Not well'} />
        {typeof workers === 'number' && (
          <span class={workers === 0 ? 'health-workers none' : 'health-workers'}>
            {workers} {workers === 1 ? 'worker' : 'workers'}
          </span>
        )}
      </summary>
      <dl class="facts health-facts">
        {Object.entries(facts).map(([fact, value]) => (
          <div key={fact}>
            <dt>{fact.replaceAll('_', ' ')}</dt>
            <dd>{typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function Mark({ tone, words }: { tone: string; words: string }) {
  return (
    <span class={`health-mark tone-${tone}`}>
      <span class="dot" />
      {words}
    </span>
  )
}
