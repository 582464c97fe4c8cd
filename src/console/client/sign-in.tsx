import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, signIn } from './api.ts'
import { Door, Fault, Field, words } from './door.tsx'
import { FORGOT_PASSWORD, REGISTER } from './route.ts'
import { endedBecause } from './session.ts'
import { useAction } from './use-action.ts'

const ERROR = 'door-error'

/** The door: e-mail and password, what else the account needs, and plain words where they do not open it. */
export function SignIn() {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [organization, setOrganization] = useState('')
  const [otp, setOtp] = useState('')
  const [manyAccounts, setManyAccounts] = useState(false)
  const [twoFactors, setTwoFactors] = useState(false)
  const { busy, error, run } = useAction()
  const emailInput = useRef<HTMLInputElement>(null)
  const passwordInput = useRef<HTMLInputElement>(null)
  const organizationInput = useRef<HTMLInputElement>(null)
  const codeInput = useRef<HTMLInputElement>(null)
  const lacksCode = isOf(error, 'otp-required')
  const wrongCode = isOf(error, 'otp-wrong')
  const wrongPassword = error instanceof ApiError && error.status === 401 && !lacksCode && !wrongCode
  useLayoutEffect(() => emailInput.current?.focus(), [])
  useLayoutEffect(() => {
    if (wrongPassword) passwordInput.current?.select()
    if (wrongCode) codeInput.current?.select()
    if (lacksCode || wrongCode) setTwoFactors(true)
    if (isAmbiguous(error)) setManyAccounts(true)
  }, [error])
  useLayoutEffect(() => organizationInput.current?.focus(), [manyAccounts])
  useLayoutEffect(() => codeInput.current?.focus(), [twoFactors])
  const because = endedBecause()

  return (
    <Door title="Sign in">
      <form
        aria-label="Sign in"
        onSubmit={(event) => {
          event.preventDefault()
          run(() => signIn({ email: email.trim(), password, organization: organization.trim(), otp: twoFactors ? otp.trim() : '' }))
        }}
      >
        {because && !error && <p class="note">{because}</p>}
        <Field
          label="E-mail"
          type="email"
          name="email"
          autoComplete="username"
          input={emailInput}
          value={email}
          fault={wrongPassword ? ERROR : undefined}
          onValue={(value) => {
            setEmail(value)
            setTwoFactors(false)
          }}
        />
        <Field
          label="Password"
          type="password"
          name="password"
          autoComplete="current-password"
          input={passwordInput}
          value={password}
          fault={wrongPassword ? ERROR : undefined}
          onValue={setPassword}
        />
        {manyAccounts && (
          <Field
            label="Organisation"
            type="text"
            name="organization"
            autoComplete="organization"
            input={organizationInput}
            value={organization}
            fault={isAmbiguous(error) ? ERROR : undefined}
            onValue={setOrganization}
          />
        )}
        {twoFactors && (
          <Field
            label="Code"
            hint="This account has a second factor: the code that your authenticator app shows now, or one of your recovery codes."
            type="text"
            name="otp"
            autoComplete="one-time-code"
            maxLength={20}
            input={codeInput}
            value={otp}
            fault={wrongCode ? ERROR : undefined}
            onValue={setOtp}
          />
        )}
        {error && !lacksCode && <Fault id={ERROR}>{wrongPassword ? 'This e-mail and password do not go together.' : words(error)}</Fault>}
        <button class="button button-main" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <p class="door-links">
        <a class="link" href={FORGOT_PASSWORD}>
          Forgot your password?
        </a>
        <a class="link" href={REGISTER}>
          No account yet?
        </a>
      </p>
      <p class="door-hint">A fresh installation prints its demo sign-ins where it was started.</p>
    </Door>
  )
}

/** The password opens accounts in several organisations. */
const isAmbiguous = (error: Error | null): boolean => error instanceof ApiError && error.status === 422

const isOf = (error: Error | null, kind: string): boolean => error instanceof ApiError && error.type === `urn:atum-desk:problem:${kind}`
