import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, beginFactor, confirmFactor } from './api.ts'
import { Fault, Field, words } from './door.tsx'
import { QrCode } from './qr-code.tsx'
import { RecoveryCodes } from './recovery-codes.tsx'
import { useAction } from './use-action.ts'

const ERROR = 'factor-error'

/** Three steps to a second factor: the password again, the app's first code, the recovery codes. */
export function FactorSetup({ label, done }: { label: string; done: () => void }) {
  const [factor, setFactor] = useState<{ secret: string; otpauth_url: string } | null>(null)
  const [codes, setCodes] = useState<string[] | null>(null)
  if (codes) return <RecoveryCodes codes={codes} label={label} kept={done} />
  if (factor) return <FirstCode {...factor} confirmed={setCodes} />
  return <PasswordAgain begun={setFactor} />
}

/** The field of a form that has one: it has the focus, and after a refusal what it holds is selected. */
function useOnlyField(error: Error | null) {
  const input = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => input.current?.focus(), [])
  useLayoutEffect(() => {
    if (error) input.current?.select()
  }, [error])
  return input
}

function PasswordAgain({ begun }: { begun: (factor: { secret: string; otpauth_url: string }) => void }) {
  const [password, setPassword] = useState('')
  const { busy, error, run } = useAction()
  const input = useOnlyField(error)
  return (
    <form
      class="factor"
      aria-label="Begin a second factor"
      onSubmit={(event) => {
        event.preventDefault()
        run(async () => begun(await beginFactor(password)))
      }}
    >
      <p>You need an authenticator app: one on your phone, or a password manager that makes codes.</p>
      <Field
        label="Your password"
        hint="Once more, so that nobody does this on a screen that was left open."
        type="password"
        name="password"
        autoComplete="current-password"
        input={input}
        value={password}
        fault={error ? ERROR : undefined}
        onValue={setPassword}
      />
      {error && <Fault id={ERROR}>{error instanceof ApiError && error.status === 403 ? 'This is not your password.' : words(error)}</Fault>}
      <button class="button button-main" disabled={busy}>
        {busy ? 'A moment…' : 'Go on'}
      </button>
    </form>
  )
}

function FirstCode({ secret, otpauth_url, confirmed }: { secret: string; otpauth_url: string; confirmed: (codes: string[]) => void }) {
  const [otp, setOtp] = useState('')
  const { busy, error, run } = useAction()
  const input = useOnlyField(error)
  return (
    <form
      class="factor"
      aria-label="Confirm the second factor"
      onSubmit={(event) => {
        event.preventDefault()
        run(async () => confirmed((await confirmFactor(otp.trim())).recovery_codes))
      }}
    >
      <p>Have the app read this, or type the key into it.</p>
      <QrCode text={otpauth_url} label="QR code for an authenticator app; the key below says the same" />
      <p class="factor-secret">
        <span class="faint">Key</span> <code class="mono">{secret.match(/.{1,4}/g)!.join(' ')}</code>
      </p>
      <Field
        label="Code"
        hint="The six digits that the app shows now."
        type="text"
        name="otp"
        autoComplete="one-time-code"
        maxLength={20}
        input={input}
        value={otp}
        fault={error ? ERROR : undefined}
        onValue={setOtp}
      />
      {error && <Fault id={ERROR}>{words(error)}</Fault>}
      <button class="button button-main" disabled={busy}>
        {busy ? 'Confirming…' : 'Confirm'}
      </button>
    </form>
  )
}
