import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, resetPassword } from './api.ts'
import { Door, Fault, words } from './door.tsx'
import { isPasswordRefused, NewPassword, passwordRefusal } from './new-password.tsx'
import { FORGOT_PASSWORD, go, HOME } from './route.ts'
import { useAction } from './use-action.ts'

const ERROR = 'reset-error'

/** Sets a new password with the token of a mail's link. */
export function ResetPassword({ token }: { token: string | null }) {
  // The address loses it once it is used.
  const [held] = useState(token)
  const [password, setPassword] = useState('')
  const [done, setDone] = useState(false)
  const { busy, error, run } = useAction()
  const input = useRef<HTMLInputElement>(null)
  const useless = !held || isAbout(error, 'token')
  const refused = isPasswordRefused(error) || (error instanceof ApiError && error.status === 400)
  useLayoutEffect(() => input.current?.focus(), [])
  useLayoutEffect(() => {
    if (refused) input.current?.focus()
  }, [error])

  if (done) {
    return (
      <Door title="Your password is set">
        <p>Whoever was signed in to this account is not any more. Sign in with the new password.</p>
        <a class="button button-main" href={HOME}>
          Sign in
        </a>
      </Door>
    )
  }
  if (useless) {
    return (
      <Door title="This link is not good any more">
        <p>A link is good once, and for a limited time; a newer password ends it too. Perhaps it was not copied whole.</p>
        <a class="button button-main" href={FORGOT_PASSWORD}>
          Ask for another one
        </a>
      </Door>
    )
  }
  return (
    <Door title="Choose a new password">
      <form
        aria-label="Choose a new password"
        onSubmit={(event) => {
          event.preventDefault()
          run(async () => {
            await resetPassword(held, password)
            setDone(true)
            go(location.pathname, { replace: true })
          })
        }}
      >
        <NewPassword value={password} input={input} fault={refused ? ERROR : undefined} onValue={setPassword} />
        {error && <Fault id={ERROR}>{refused ? passwordRefusal(error) : words(error)}</Fault>}
        <button class="button button-main" disabled={busy}>
          {busy ? 'Setting it…' : 'Set the password'}
        </button>
      </form>
    </Door>
  )
}

const isAbout = (error: Error | null, field: string): boolean => error instanceof ApiError && error.isAbout(field)
