import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from './api.ts'
import { Fault, Field, words } from './door.tsx'
import { useAction } from './use-action.ts'

const ERROR = 'mail-error'

interface Props {
  /** What its button says. */
  label: string
  ask: (email: string) => Promise<unknown>
  onAsked: (email: string) => void
  /** What was typed before. */
  before?: string
  focus?: boolean
}

/** Asks for a mail to an address. Whether there is an account, nobody learns here. */
export function MailRequest({ label, ask, onAsked, before = '', focus = false }: Props) {
  const [email, setEmail] = useState(before)
  const { busy, error, run } = useAction()
  const input = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => {
    if (focus) input.current?.focus()
  }, [])
  const malformed = error instanceof ApiError && error.isAbout('email')
  return (
    <form
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault()
        const address = email.trim()
        run(async () => {
          await ask(address)
          onAsked(address)
        })
      }}
    >
      <Field
        label="E-mail"
        type="email"
        name="email"
        autoComplete="username"
        input={input}
        value={email}
        fault={malformed ? ERROR : undefined}
        onValue={setEmail}
      />
      {error && <Fault id={ERROR}>{malformed ? 'This is not a whole e-mail address.' : words(error)}</Fault>}
      <button class="button button-main" disabled={busy}>
        {busy ? 'Asking…' : label}
      </button>
    </form>
  )
}
