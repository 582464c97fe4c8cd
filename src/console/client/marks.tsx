import type { ComponentChildren } from 'preact'
import { ApiError, Unreachable } from './api.ts'
import { serverNow } from './connection.ts'
import { useNow } from './polling.ts'
import { spoken, toneOf } from './states.ts'
import { age, exact } from './times.ts'

/** A state's name in its colour. */
export function Chip({ state }: { state: string }) {
  return <span class={`chip tone-${toneOf(state)}`}>{spoken(state)}</span>
}

/** How long ago an instant was; the instant itself on hover. */
export function Age({ at, suffix = '' }: { at: string; suffix?: string }) {
  const words = age(at, useNow(serverNow))
  return (
    <time dateTime={at} title={exact(at)}>
      {words}
      {words !== 'now' && !words.startsWith('in ') ? suffix : ''}
    </time>
  )
}

/** What stands where there is nothing to show, and what can be done about it. */
export function Blank({ title, children, action }: { title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="blank">
      <p class="blank-title">{title}</p>
      {children && <p class="blank-text">{children}</p>}
      {action}
    </div>
  )
}

/** An error in the API's own words. What the banner says already is not said again. */
export function Fault({ error, doing }: { error: Error; doing: string }) {
  if (error instanceof Unreachable) return <Blank title={`Waiting for the API to ${doing}.`} />
  const status = error instanceof ApiError ? error.status : null
  if (status === 403) return <Blank title="Not for this account">Your role may not {doing}.</Blank>
  return (
    <div class="blank fault" role="alert">
      <p class="blank-title">Could not {doing}</p>
      <p class="blank-text">{error.message}</p>
      {error instanceof ApiError && error.errors.map((line) => <p key={line}>{line}</p>)}
    </div>
  )
}

/** Grey bars in the place of rows that are still to come. */
export function Loading({ rows = 3, what }: { rows?: number; what: string }) {
  return (
    <div class="loading" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class="loading-bar" />
      ))}
    </div>
  )
}

/** A value as JSON, indented; nothing where there is none. */
export function Json({ label, value, open = true }: { label: string; value: unknown; open?: boolean }) {
  if (value === null || value === undefined) return null
  return (
    <details class="json" open={open}>
      <summary>{label}</summary>
      <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
    </details>
  )
}
