import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, signIn, Unreachable } from './api.ts'
import { DESK } from './route.ts'
import { endedBecause } from './session.ts'
import { useAction } from './use-action.ts'

/** The door: e-mail and password, and plain words where they do not open it. */
export function SignIn() {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [organization, setOrganization] = useState('')
  const [manyAccounts, setManyAccounts] = useState(false)
  const { busy, error, run } = useAction()
  const first = useRef<HTMLInputElement>(null)
  const second = useRef<HTMLInputElement>(null)
  const third = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  useEffect(() => {
    if (error instanceof ApiError && error.status === 401) second.current?.select()
    if (isAmbiguous(error)) setManyAccounts(true)
  }, [error])
  useEffect(() => third.current?.focus(), [manyAccounts])
  const because = endedBecause()

  return (
    <main class="door">
      <form
        class="door-card"
        aria-labelledby="door-title"
        onSubmit={(event) => {
          event.preventDefault()
          run(() => signIn(email.trim(), password, organization.trim()))
        }}
      >
        <Brand />
        <h1 id="door-title">Sign in</h1>
        {because && !error && <p class="note">{because}</p>}
        <label class="field">
          <span>E-mail</span>
          <input
            ref={first}
            type="email"
            name="email"
            autoComplete="username"
            required
            value={email}
            aria-invalid={error !== null}
            aria-describedby={error ? 'door-error' : undefined}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>Password</span>
          <input
            ref={second}
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={password}
            aria-invalid={error !== null}
            aria-describedby={error ? 'door-error' : undefined}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        {manyAccounts && (
          <label class="field">
            <span>Organisation</span>
            <input
              name="organization"
              autoComplete="organization"
              spellcheck={false}
              required
              value={organization}
              ref={third}
              onInput={(event) => setOrganization(event.currentTarget.value)}
            />
          </label>
        )}
        {error && (
          <p class="note note-bad" id="door-error" role="alert">
            {words(error)}
          </p>
        )}
        <button class="button button-main" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p class="door-hint">A fresh installation prints its demo sign-ins where it was started.</p>
      </form>
    </main>
  )
}

/** The password opens accounts in several organisations. */
const isAmbiguous = (error: Error | null): boolean => error instanceof ApiError && error.status === 422

function words(error: Error): string {
  if (error instanceof Unreachable) return `${error.message} Is the server running?`
  if (error instanceof ApiError && error.status === 401) return 'This e-mail and password do not go together.'
  if (error instanceof ApiError && error.status === 429) return 'Too many attempts. Wait a minute, then try again.'
  return error.message
}

export function Brand() {
  return (
    <span class="brand">
      <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
        <rect class="brand-box" width="32" height="32" rx="8" />
        <path d="M9 16h14" stroke="#fff" stroke-width="2.4" />
        <circle cx="9" cy="16" r="4.2" fill="#fff" />
        <circle class="brand-box" cx="23" cy="16" r="4.6" stroke="#fff" stroke-width="2.4" />
        <circle cx="23" cy="16" r="1.8" fill="#fff" />
      </svg>
      <span>
        ATUM DESK <span class="brand-part">{location.pathname.startsWith(DESK) ? 'desk' : 'console'}</span>
      </span>
    </span>
  )
}
