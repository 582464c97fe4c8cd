import { useState } from 'preact/hooks'
import { forgotPassword } from './api.ts'
import { Door } from './door.tsx'
import { MailRequest } from './mail-request.tsx'
import { HOME } from './route.ts'

/** Asks for the mail that lets its reader set a new password. */
export function ForgotPassword() {
  const [email, setEmail] = useState('')
  const [asked, setAsked] = useState(false)
  const onAsked = (address: string) => {
    setEmail(address)
    setAsked(true)
  }
  return (
    <Door title={asked ? 'Look into your mail' : 'Forgot your password?'}>
      {asked ? (
        <>
          <p>If {email} has an account, a mail with a link is on its way. The link is good for an hour, once.</p>
          <p class="door-hint">Nothing came after some minutes? Look among the unwanted mail, and whether the address is right.</p>
          <button class="button" onClick={() => setAsked(false)}>
            Ask again
          </button>
        </>
      ) : (
        <>
          <p>Say your address, and a mail lets you set a new password.</p>
          <MailRequest label="Mail me a link" ask={forgotPassword} onAsked={onAsked} before={email} focus />
        </>
      )}
      <a class="link" href={HOME}>
        Back to the sign-in
      </a>
    </Door>
  )
}
