import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, randomKey, readIfThere, send } from '../api.ts'
import { usePolling } from '../polling.ts'
import type { Me, Page } from '../shapes.ts'
import { useAction } from '../use-action.ts'
import { useCommands } from '../commands.ts'
import { keepDraft, NO_DRAFT, readDraft } from './drafts.ts'
import type { Draft } from './drafts.ts'
import type { Canned, Suggestion, Ticket } from './shapes.ts'

const CANNED_MS = 60_000
const IDLE_MS = 4_000

interface Props {
  ticket: Ticket
  me: Me
  /** A draft that somebody wants to answer with. */
  offered: { suggestion: Suggestion; at: number } | null
  sent: () => void
  writing: (is: boolean) => void
}

/** Where the answer is written. What stands in it is kept with each letter, until it is sent. */
export function Composer({ ticket, me, offered, sent, writing }: Props) {
  const { busy, error, run } = useAction()
  const [draft, setDraft] = useState<Draft>(() => readDraft(me.id, ticket.id))
  const box = useRef<HTMLTextAreaElement>(null)
  const key = useRef(randomKey())
  const idle = useRef<ReturnType<typeof setTimeout>>(undefined)
  const change = (changes: Partial<Draft>) => {
    const next = { ...draft, ...changes }
    setDraft(next)
    keepDraft(me.id, ticket.id, next)
    writing(next.text !== '')
    clearTimeout(idle.current)
    idle.current = setTimeout(() => writing(false), IDLE_MS)
  }
  const focus = (kind: Draft['kind']) => {
    change({ kind })
    box.current?.focus()
  }
  const insert = (text: string) => {
    change({ text: draft.text === '' ? text : `${draft.text}\n\n${text}` })
    box.current?.focus()
  }
  useLayoutEffect(() => {
    if (!offered) return
    const { id, content } = offered.suggestion
    change({ kind: 'reply', text: draft.text.trim() === '' ? content : `${draft.text}\n\n${content}`, suggestion: { id, content } })
    box.current?.focus()
  }, [offered?.at])
  useEffect(() => () => clearTimeout(idle.current), [])
  const canned = usePolling(`canned ${ticket.service_id}`, CANNED_MS, (signal) =>
    readIfThere<Page<Canned>>(
      `/canned-responses?${new URLSearchParams({ limit: '200', ...(ticket.service_id ? { service_id: ticket.service_id } : {}) })}`,
      signal,
    ),
  ).data?.items
  const useCanned = (id: string) =>
    run(async () => insert((await send<{ content: string }>('POST', `/canned-responses/${id}/render`, { body: { ticket_id: ticket.id } })).content))

  const submit = () =>
    run(async () => {
      const content = draft.text.trim()
      if (content === '') throw new Error('There is nothing written yet.')
      await post(ticket, { ...draft, text: content }, key.current)
      key.current = randomKey()
      setDraft({ ...NO_DRAFT, kind: draft.kind })
      keepDraft(me.id, ticket.id, NO_DRAFT)
      writing(false)
      sent()
    })
  useCommands([
    { id: 'reply', name: 'Write a reply', keys: 'r', run: () => focus('reply') },
    { id: 'note', name: 'Write an internal note', keys: 'n', run: () => focus('note') },
    ...(canned ?? []).map(({ id, name }) => ({ id: `canned-${id}`, name: `Insert: ${name}`, run: () => useCanned(id) })),
  ])

  return (
    <form
      class={`composer composer-${draft.kind}`}
      aria-label="Answer"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <div class="composer-head">
        <div class="tabs" role="group" aria-label="Who reads it">
          {(['reply', 'note'] as const).map((kind) => (
            <button
              key={kind}
              type="button"
              class="tab"
              aria-pressed={draft.kind === kind}
              aria-current={draft.kind === kind ? 'true' : undefined}
              onClick={() => focus(kind)}
            >
              {kind === 'reply' ? 'Reply' : 'Internal note'}
            </button>
          ))}
        </div>
        <span class="card-space" />
        {canned && canned.length > 0 && (
          <select
            class="select"
            aria-label="Insert a canned response"
            value=""
            disabled={busy}
            onChange={(event) => {
              const { value } = event.currentTarget
              event.currentTarget.value = ''
              if (value) useCanned(value)
            }}
          >
            <option value="">Canned response…</option>
            {canned.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        )}
      </div>
      <textarea
        dir="auto"
        ref={box}
        class="input composer-text"
        aria-label={draft.kind === 'reply' ? 'Reply to the customer' : 'Internal note'}
        placeholder={draft.kind === 'reply' ? 'The customer reads this' : 'Only your colleagues read this'}
        rows={6}
        value={draft.text}
        readOnly={busy}
        onInput={(event) => change({ text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit()
          if (event.key === 'Escape') event.currentTarget.blur()
        }}
      />
      <div class="composer-foot">
        <span class="faint" role="status">
          {draft.text !== '' && 'kept in this browser until it is sent'}
        </span>
        {error && (
          <span class="bad" role="alert">
            {error.message}
          </span>
        )}
        <span class="card-space" />
        <button class="button button-main" disabled={busy || draft.text.trim() === ''}>
          {draft.kind === 'reply' ? 'Send reply' : 'Add note'}
        </button>
      </div>
    </form>
  )
}

/** An answer that began as a suggestion is the decision on it: taken as it was, or as it was changed. */
async function post(ticket: Ticket, { kind, text, suggestion }: Draft, key: string): Promise<void> {
  if (kind === 'reply' && suggestion && (await decide(suggestion, text))) return
  await send('POST', `/tickets/${ticket.id}/comments`, { body: { content: text, is_internal: kind === 'note' }, headers: { 'idempotency-key': key } })
}

/** @returns false where there is nothing to decide any more: it has expired, or somebody decided it */
async function decide(suggestion: NonNullable<Draft['suggestion']>, text: string): Promise<boolean> {
  const [verb, body] = text === suggestion.content.trim() ? ['accept', { post_comment: true }] : ['edit', { content: text, post_comment: true }]
  try {
    await send('POST', `/suggestions/${suggestion.id}/${verb}`, { body })
    return true
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return false
    throw error
  }
}
