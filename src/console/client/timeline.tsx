import { serverNow } from './connection.ts'
import { Chip, Json } from './marks.tsx'
import { useNow } from './polling.ts'
import { workerAddress } from './route.ts'
import type { JobEvent } from './shapes.ts'
import { spoken, toneOf } from './states.ts'
import { clock, duration, exact } from './times.ts'

/** A stretch of life shorter than this share of the whole is widened to it, so that the eye can find it. */
const STRIP_SHARE_MIN = 0.012

interface Log {
  events: JobEvent[]
  /** The states in which a job has come to rest. */
  resting: ReadonlySet<string>
}

interface Stretch {
  seq: number
  state: string
  ms: number
  open: boolean
}

/** The job's life as one bar: how long it stood in each state, to scale but for the very short. */
export function LifeStrip({ events, resting }: Log) {
  const now = useNow(serverNow)
  const stretches = lifeOf({ events, resting }, now)
  const total = stretches.reduce((sum, { ms }) => sum + ms, 0)
  if (total <= 0) return null
  return (
    <figure class="strip">
      <div class="strip-bar" aria-hidden="true">
        {stretches.map(({ seq, state, ms, open }) => (
          <span
            key={seq}
            class={`strip-part tone-${toneOf(state)}${open ? ' open' : ''}`}
            style={{ flexGrow: Math.max(ms / total, STRIP_SHARE_MIN) }}
            title={`${spoken(state)}: ${duration(ms)}`}
          />
        ))}
      </div>
      <figcaption>
        {totals(stretches).map(({ state, ms }) => (
          <span key={state} class={`strip-sum tone-${toneOf(state)}`}>
            <span class="dot" />
            {spoken(state)} <span class="number">{duration(ms)}</span>
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

/** The stretches between events. A job that has come to rest has no stretch after its last event; another's is still growing. */
function lifeOf({ events, resting }: Log, now: number): Stretch[] {
  return events.flatMap(({ seq, to_state, at }, index) => {
    const next = events[index + 1]
    if (!next && resting.has(to_state)) return []
    return [{ seq, state: to_state, ms: Math.max(0, (next ? Date.parse(next.at) : now) - Date.parse(at)), open: !next }]
  })
}

function totals(stretches: Stretch[]): { state: string; ms: number }[] {
  const sums = new Map<string, number>()
  for (const { state, ms } of stretches) sums.set(state, (sums.get(state) ?? 0) + ms)
  return [...sums].map(([state, ms]) => ({ state, ms }))
}

/** The log, oldest first, with the time that passed between one event and the next. */
export function Timeline({ events, resting, until = null }: Log & { until?: number | null }) {
  const now = useNow(serverNow)
  const last = events.at(-1)
  return (
    <ol class="timeline">
      {events.map((event, index) => (
        <Entry key={event.seq} event={event} before={events[index - 1]} ahead={until !== null && event.seq > until} />
      ))}
      {last && !resting.has(last.to_state) && (
        <li class={`entry entry-open tone-${toneOf(last.to_state)}`}>
          <span class="entry-gap number">{duration(Math.floor(Math.max(0, now - Date.parse(last.at)) / 1_000) * 1_000)}</span>
          <span class="entry-dot" />
          <span class="entry-words faint">{spoken(last.to_state)} until the next event</span>
        </li>
      )}
    </ol>
  )
}

function Entry({ event, before, ahead }: { event: JobEvent; before: JobEvent | undefined; ahead: boolean }) {
  const fault = faultOf(event.details)
  const { stack, rest } = withoutStack(event.details)
  return (
    <li class={`entry tone-${toneOf(event.to_state)}${ahead ? ' entry-ahead' : ''}`}>
      <span class="entry-gap number" title={before ? 'since the event before' : undefined}>
        {before ? `+${duration(Date.parse(event.at) - Date.parse(before.at))}` : ''}
      </span>
      <span class="entry-dot" />
      <div class="entry-words">
        <p class="entry-line">
          <span class="entry-event mono">{event.event}</span>
          <span class="entry-move">
            {event.from_state && <span class="faint">{spoken(event.from_state)} → </span>}
            <Chip state={event.to_state} />
          </span>
          <time class="entry-at number" dateTime={event.at} title={exact(event.at)}>
            {clock(event.at)}
          </time>
        </p>
        <p class="entry-facts faint">
          {event.attempt > 0 && <span>attempt {event.attempt}</span>}
          {event.worker !== null && (
            <a class="link" href={workerAddress(event.worker)}>
              worker {event.worker}
            </a>
          )}
          <span>seq {event.seq}</span>
        </p>
        {fault && <p class="entry-fault mono">{fault}</p>}
        {stack && (
          <details class="json">
            <summary>stack</summary>
            <pre tabIndex={0}>{stack}</pre>
          </details>
        )}
        <Json label="details" value={rest} open={false} />
      </div>
    </li>
  )
}

/** The words of the error or the reason in an event's details, where it carries one. */
function faultOf(details: unknown): string | null {
  if (typeof details !== 'object' || details === null) return null
  const { error, reason } = details as { error?: unknown; reason?: unknown }
  if (typeof error === 'object' && error !== null) {
    const fault = error as { class?: unknown; message?: unknown }
    return [fault.class, fault.message].filter((word) => typeof word === 'string').join(': ') || null
  }
  return [error, reason].find((word) => typeof word === 'string') ?? null
}

/** Where in the code an error came from, which is long and read apart; the server gives it to operators. */
function withoutStack(details: unknown): { stack: string | null; rest: unknown } {
  const { error } = (details ?? {}) as { error?: { stack?: unknown } }
  if (typeof error?.stack !== 'string') return { stack: null, rest: details }
  const { stack, ...rest } = error
  return { stack, rest: { ...(details as object), error: rest } }
}
