import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, changePassword, factorStanding, newRecoveryCodes, removeFactor, signOutEverywhere } from './api.ts'
import type { FactorStanding } from './api.ts'
import { Fault as Wrong, Field, words } from './door.tsx'
import { FactorSetup } from './factor-setup.tsx'
import { takeFocus, useQuestion } from './focus.ts'
import { Fault, Loading } from './marks.tsx'
import { isPasswordRefused, NewPassword, passwordRefusal } from './new-password.tsx'
import { usePolling } from './polling.ts'
import { RecoveryCodes } from './recovery-codes.tsx'
import type { Me } from './shapes.ts'
import { spoken } from './states.ts'
import { useAction } from './use-action.ts'

const STANDING_MS = 30_000

/** The own account: who one is, the password, the second factor, where one is signed in. */
export function AccountPage({ me }: { me: Me | undefined }) {
  if (!me) return <Loading rows={6} what="your account" />
  return (
    <div class="page account">
      <section class="card" aria-labelledby="account-title">
        <div class="card-head">
          <h1 id="account-title">Your account</h1>
        </div>
        <dl class="facts">
          {[
            ['Name', me.full_name],
            ['E-mail', me.email],
            ['Role', spoken(me.role)],
            ['Organisation', me.organization?.name ?? 'none: this account is of the installation'],
          ].map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <FactorSection />
      <PasswordSection />
      <SignInsSection />
    </div>
  )
}

function Section({ id, title, note, children }: { id: string; title: string; note?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        {note}
      </div>
      {children}
    </section>
  )
}

function FactorSection() {
  const { data, error, refresh } = usePolling('second factor', STANDING_MS, factorStanding)
  const [doing, setDoing] = useState<'setup' | 'codes' | 'remove' | null>(null)
  const done = () => {
    setDoing(null)
    refresh()
  }
  const chip = data && <span class={`chip tone-${data.enabled ? 'done' : 'ended'}`}>{data.enabled ? 'on' : 'off'}</span>
  return (
    <Section id="factor-title" title="Second factor" note={chip}>
      {!data && (error ? <Fault error={error} doing="read how your second factor stands" /> : <Loading what="your second factor" />)}
      {data && doing === null && <Standing standing={data} start={setDoing} />}
      {doing === 'setup' && <FactorSetup label="Done" done={done} />}
      {doing === 'codes' && <FreshCodes done={done} />}
      {doing === 'remove' && <Removal done={done} />}
      {doing !== null && (
        <button class="button button-quiet" onClick={() => setDoing(null)}>
          Leave it as it was
        </button>
      )}
    </Section>
  )
}

function Standing({
  standing: { enabled, required, recovery_codes_left: left },
  start,
}: {
  standing: FactorStanding
  start: (what: 'setup' | 'codes' | 'remove') => void
}) {
  if (!enabled) {
    return (
      <div class="factor">
        <p>The password alone lets you in. With a second factor, who steals it still cannot.</p>
        <div class="actions">
          <button class="button button-main" onClick={() => start('setup')}>
            Set up a second factor
          </button>
        </div>
      </div>
    )
  }
  return (
    <div class="factor">
      <p>
        Each sign-in asks for a code of your app.{' '}
        <span class={left < 3 ? 'bad' : undefined}>{left === 1 ? '1 recovery code is' : `${left} recovery codes are`} left.</span>
        {required && ' Your organisation wants it of your role, so it cannot be switched off.'}
      </p>
      <div class="actions">
        <button class="button" onClick={() => start('codes')}>
          New recovery codes
        </button>
        {!required && (
          <button class="button button-bad" onClick={() => start('remove')}>
            Switch it off
          </button>
        )}
      </div>
    </div>
  )
}

function FreshCodes({ done }: { done: () => void }) {
  const [otp, setOtp] = useState('')
  const [codes, setCodes] = useState<string[] | null>(null)
  const { busy, error, run } = useAction()
  const input = useFirst()
  if (codes) return <RecoveryCodes codes={codes} label="Done" kept={done} />
  return (
    <form
      class="factor"
      aria-label="New recovery codes"
      onSubmit={(event) => {
        event.preventDefault()
        run(async () => setCodes((await newRecoveryCodes(otp.trim())).recovery_codes))
      }}
    >
      <p>The old ones end as the new ones are made.</p>
      <CodeField input={input} value={otp} onValue={setOtp} fault={error ? 'codes-error' : undefined} />
      {error && <Wrong id="codes-error">{words(error)}</Wrong>}
      <button class="button button-main" disabled={busy}>
        Make new ones
      </button>
    </form>
  )
}

function Removal({ done }: { done: () => void }) {
  const [password, setPassword] = useState('')
  const [otp, setOtp] = useState('')
  const { busy, error, run } = useAction()
  const input = useFirst()
  const code = useRef<HTMLInputElement>(null)
  const wrongPassword = error instanceof ApiError && error.isAbout('password')
  const wrongCode = error instanceof ApiError && error.isAbout('otp')
  return (
    <form
      class="factor"
      aria-label="Switch the second factor off"
      onSubmit={(event) => {
        event.preventDefault()
        run(async () => {
          await removeFactor(password, otp.trim())
          done()
        })
      }}
    >
      <Field
        label="Your password"
        type="password"
        name="password"
        autoComplete="current-password"
        input={input}
        value={password}
        fault={wrongPassword ? 'remove-error' : undefined}
        onValue={setPassword}
      />
      <CodeField input={code} value={otp} onValue={setOtp} fault={wrongCode ? 'remove-error' : undefined} />
      {error && <Wrong id="remove-error">{words(error)}</Wrong>}
      <button class="button button-bad" disabled={busy}>
        Switch it off
      </button>
    </form>
  )
}

function CodeField(props: { input: ReturnType<typeof useFirst>; value: string; onValue: (value: string) => void; fault: string | undefined }) {
  return <Field {...props} label="Code" hint="That the app shows now, or a recovery code." type="text" name="otp" autoComplete="one-time-code" maxLength={20} />
}

/** An input that has the focus as it appears. */
function useFirst() {
  const input = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => input.current?.focus(), [])
  return input
}

function PasswordSection() {
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const { busy, error, run } = useAction()
  const inputs = [useRef<HTMLInputElement>(null), useRef<HTMLInputElement>(null)] as const
  const wrong = error instanceof ApiError && error.isAbout('current_password')
  const refused = isPasswordRefused(error)
  useLayoutEffect(() => {
    if (wrong) inputs[0].current?.select()
    else if (refused) inputs[1].current?.focus()
  }, [error])
  return (
    <Section id="password-title" title="Password" note={<span class="faint">a new one signs you out everywhere, here too</span>}>
      <form
        class="factor"
        aria-label="Change the password"
        onSubmit={(event) => {
          event.preventDefault()
          run(() => changePassword(current, password))
        }}
      >
        <Field
          label="Present password"
          type="password"
          name="current-password"
          autoComplete="current-password"
          input={inputs[0]}
          value={current}
          fault={wrong ? 'password-error' : undefined}
          onValue={setCurrent}
        />
        <NewPassword value={password} input={inputs[1]} fault={refused ? 'password-error' : undefined} onValue={setPassword} />
        {error && <Wrong id="password-error">{refused ? passwordRefusal(error) : words(error)}</Wrong>}
        <button class="button button-main" disabled={busy}>
          Change the password
        </button>
      </form>
    </Section>
  )
}

function SignInsSection() {
  const { asked, ask, leave, asker } = useQuestion()
  const { busy, error, run } = useAction()
  return (
    <Section id="sign-ins-title" title="Sign-ins">
      <div class="factor">
        <p>A device was lost, or was not yours? End every sign-in of this account, this one too. API tokens go on.</p>
        <div class="actions">
          {asked ? (
            <>
              <button class="button button-bad" disabled={busy} onClick={() => run(signOutEverywhere)} ref={takeFocus}>
                Yes, sign out everywhere
              </button>
              <button class="button" onClick={leave}>
                Stay signed in
              </button>
            </>
          ) : (
            <button class="button" onClick={ask} ref={asker}>
              Sign out everywhere
            </button>
          )}
        </div>
        {error && (
          <p class="bad" role="alert">
            {error.message}
          </p>
        )}
      </div>
    </Section>
  )
}
