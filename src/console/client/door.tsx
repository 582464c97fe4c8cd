import type { ComponentChildren, RefObject } from 'preact'
import { useLayoutEffect, useId, useRef } from 'preact/hooks'
import { ApiError, Unreachable } from './api.ts'
import { Brand } from './brand.tsx'

/** A page for who is not signed in. Where its title changes, the old content is gone: the new title has the focus, and is read. */
export function Door({ title, children }: { title: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const first = useRef(title)
  useLayoutEffect(() => {
    document.title = `${title} · ATUM DESK`
    if (title !== first.current) heading.current?.focus()
    first.current = title
  }, [title])
  return (
    <main class="door">
      <div class="door-card">
        <Brand />
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </div>
    </main>
  )
}

type FieldProps = ({ type: 'text' } | { type: 'email' } | { type: 'password' }) & {
  label: string
  hint?: string
  name: string
  autoComplete: string
  maxLength?: number
  value: string
  input: RefObject<HTMLInputElement | null>
  /** The id of the words that say what is wrong with it; undefined while nothing is. */
  fault?: string | undefined
  onValue: (value: string) => void
}

export function Field({ label, hint, input, fault, onValue, ...attributes }: FieldProps) {
  const id = useId()
  const described = [hint && `${id}-hint`, fault].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...attributes}
        id={id}
        ref={input}
        autoCapitalize="none"
        spellcheck={false}
        required
        aria-invalid={fault !== undefined}
        aria-describedby={described || undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {hint && (
        <span class="door-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  )
}

/** What went wrong, read out as it appears. */
export function Fault({ id, children }: { id: string; children: ComponentChildren }) {
  return (
    <p class="note note-bad" id={id} role="alert">
      {children}
    </p>
  )
}

/** What any of these pages can meet, in words; the rest in the API's own. */
export function words(error: Error): string {
  if (error instanceof Unreachable) return `${error.message} Is the server running?`
  if (error instanceof ApiError && error.status === 429) return `Too many attempts. Wait ${waiting(error.retryAfterSeconds)}, then try again.`
  return error.message
}

function waiting(seconds = 60): string {
  const minutes = Math.ceil(seconds / 60)
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}
