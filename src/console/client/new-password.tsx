import type { RefObject } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from './api.ts'
import { Field } from './door.tsx'

const POLICY = 'Ten characters at least, and not easily guessed: a few words that belong to nothing make a good one.'

interface Props {
  label?: string
  value: string
  input: RefObject<HTMLInputElement | null>
  fault: string | undefined
  onValue: (value: string) => void
}

/** A password to be chosen, which one may look at while one types it. */
export function NewPassword({ label = 'New password', ...field }: Props) {
  const [visible, setVisible] = useState(false)
  return (
    <>
      <Field {...field} label={label} hint={POLICY} type={visible ? 'text' : 'password'} name="password" autoComplete="new-password" />
      <label class="door-check">
        <input type="checkbox" checked={visible} onChange={(event) => setVisible(event.currentTarget.checked)} />
        Show what I type
      </label>
    </>
  )
}

/** Whether the API complains of the password that was chosen. */
export const isPasswordRefused = (error: Error | null): boolean => error instanceof ApiError && error.isAbout('password')

/** The policy speaks in sentences; of a length that no password may have, the API says it in its schema's words. */
export function passwordRefusal(error: Error): string {
  return error.message.startsWith('The password ') ? error.message : 'The password must have at least 10 and at most 1,000 characters.'
}
