import { useState } from 'preact/hooks'
import { ApiError, resendVerification, verifyEmail } from './api.ts'
import { Door, Fault, words } from './door.tsx'
import { MailRequest } from './mail-request.tsx'
import { DESK, go } from './route.ts'
import { useAction } from './use-action.ts'

/** Confirms an address with the token of a mail's link, on a press: programs that open every link of a mail confirm nothing. */
export function VerifyEmail({ token }: { token: string | null }) {
  const [held] = useState(token)
  const [made, setMade] = useState<{ email: string; organization: string } | null>(null)
  const [asked, setAsked] = useState('')
  const { busy, error, run } = useAction()
  const useless = !held || (error instanceof ApiError && error.isAbout('token'))

  if (made) {
    return (
      <Door title="Your address is confirmed">
        <p>
          {made.email} has an account at {made.organization} now, with the password that you chose.
        </p>
        <a class="button button-main" href={DESK}>
          Sign in
        </a>
      </Door>
    )
  }
  if (asked) {
    return (
      <Door title="Look into your mail">
        <p>If {asked} waits to be confirmed, a mail with a link is on its way. The link is good for a day, once.</p>
        <button class="button" onClick={() => setAsked('')}>
          Ask again
        </button>
      </Door>
    )
  }
  if (useless) {
    return (
      <Door title="This link is not good any more">
        <p>A link is good once, for a day. If you confirmed the address before, just sign in; otherwise ask for another mail.</p>
        <MailRequest label="Mail me another link" ask={resendVerification} onAsked={setAsked} />
        <a class="link" href={DESK}>
          To the sign-in
        </a>
      </Door>
    )
  }
  return (
    <Door title="Confirm your address">
      <p>With this the account that was asked for is made. It was not you? Then just close this page.</p>
      {error && <Fault id="verify-error">{words(error)}</Fault>}
      <button
        class="button button-main"
        disabled={busy}
        onClick={() =>
          run(async () => {
            setMade(await verifyEmail(held))
            go(location.pathname, { replace: true })
          })
        }
      >
        {busy ? 'Confirming…' : 'Yes, it is my address'}
      </button>
    </Door>
  )
}
