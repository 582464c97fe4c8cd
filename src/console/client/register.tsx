import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, register } from './api.ts'
import { Door, Fault, Field, words } from './door.tsx'
import { isPasswordRefused, NewPassword, passwordRefusal } from './new-password.tsx'
import { DESK, HOME } from './route.ts'
import { useAction } from './use-action.ts'

const ERROR = 'register-error'

/** Where a customer asks for an account. Whether there is one already, or the organisation takes none, nobody learns here. */
export function Register({ organization: given }: { organization: string | null }) {
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [organization, setOrganization] = useState(given ?? '')
  const [asked, setAsked] = useState(false)
  const { busy, error, run } = useAction()
  const inputs = {
    name: useRef<HTMLInputElement>(null),
    email: useRef<HTMLInputElement>(null),
    password: useRef<HTMLInputElement>(null),
    organization: useRef<HTMLInputElement>(null),
  }
  const fault = isPasswordRefused(error)
    ? 'password'
    : isAbout(error, 'email')
      ? 'email'
      : isAbout(error, 'organization')
        ? 'organization'
        : isAbout(error, 'full_name')
          ? 'name'
          : null
  const faultOf = (field: keyof typeof inputs) => (fault === field ? ERROR : undefined)
  useLayoutEffect(() => inputs.name.current?.focus(), [])
  useLayoutEffect(() => {
    if (fault) inputs[fault].current?.focus()
  }, [error])

  if (asked) {
    return (
      <Door title="Look into your mail">
        <p>
          If an account can be made for {email.trim()}, a mail with a link is on its way. The link is good for a day, once; the account is there when you have
          followed it.
        </p>
        <p class="door-hint">Nothing came after some minutes? Look among the unwanted mail, and whether the address and the organisation are right.</p>
        <a class="button" href={`${HOME}verify-email`}>
          Have it mailed again
        </a>
        <button class="button button-quiet" onClick={() => setAsked(false)}>
          Change what I typed
        </button>
      </Door>
    )
  }
  return (
    <Door title="Ask for an account">
      <p>For customers: with an account you send tickets and follow what becomes of them.</p>
      <form
        aria-label="Ask for an account"
        onSubmit={(event) => {
          event.preventDefault()
          run(async () => {
            await register({ email: email.trim(), password, full_name: name.trim(), organization: organization.trim().toLowerCase() })
            setAsked(true)
          })
        }}
      >
        <Field label="Your name" type="text" name="name" autoComplete="name" input={inputs.name} value={name} fault={faultOf('name')} onValue={setName} />
        <Field
          label="E-mail"
          type="email"
          name="email"
          autoComplete="username"
          input={inputs.email}
          value={email}
          fault={faultOf('email')}
          onValue={setEmail}
        />
        <Field
          label="Organisation"
          hint="The short name of the company whose customer you are, as it stands in its letters"
          type="text"
          name="organization"
          autoComplete="off"
          maxLength={63}
          input={inputs.organization}
          value={organization}
          fault={faultOf('organization')}
          onValue={setOrganization}
        />
        <NewPassword label="Password" value={password} input={inputs.password} fault={faultOf('password')} onValue={setPassword} />
        {error && (
          <Fault id={ERROR}>{fault === 'password' ? passwordRefusal(error) : fault === 'email' ? 'This is not a whole e-mail address.' : words(error)}</Fault>
        )}
        <button class="button button-main" disabled={busy}>
          {busy ? 'Asking…' : 'Ask for an account'}
        </button>
      </form>
      <a class="link" href={DESK}>
        Back to the sign-in
      </a>
    </Door>
  )
}

const isAbout = (error: Error | null, field: string): boolean => error instanceof ApiError && error.isAbout(field)
