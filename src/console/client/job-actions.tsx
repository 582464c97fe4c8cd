import { useState } from 'preact/hooks'
import { moveJob, send } from './api.ts'
import { takeFocus, useQuestion } from './focus.ts'
import type { JobDetail } from './shapes.ts'
import { useAction } from './use-action.ts'

/** Only what the machine allows now: each button is one of its events, and a waiting job may be told when to run. */
export function JobActions({ job, moved }: { job: JobDetail; moved: () => void }) {
  const { busy, error, run } = useAction()
  const cancelling = useQuestion()
  const timing = useQuestion()
  const isAsking = cancelling.asked || timing.asked
  const act = (deed: () => Promise<unknown>) =>
    run(async () => {
      await deed()
      cancelling.leave()
      timing.leave()
      moved()
    })
  const mayCancel = job.allowed_events.includes('CANCEL') && !job.cancel_requested
  const isWaiting = job.status === 'queued' || job.status === 'retried'
  return (
    <span class="actions">
      {error && (
        <span class="bad" role="alert">
          {error.message}
        </span>
      )}
      {job.allowed_events.includes('REQUEUE') && (
        <button
          class="button button-main"
          disabled={busy}
          onClick={() => act(() => moveJob(String(job.id), 'retry'))}
          title="REQUEUE: begins again with its first attempt"
        >
          {job.status === 'failed' ? 'Redrive' : 'Retry'}
        </button>
      )}
      {isWaiting && !isAsking && (
        <button class="button" ref={timing.asker} onClick={timing.ask} title="Changes when it is due; its state stays">
          Reschedule
        </button>
      )}
      {isWaiting && timing.asked && <Reschedule job={job} busy={busy} act={act} cancel={timing.leave} />}
      {mayCancel && !isAsking && (
        <button class="button" disabled={busy} ref={cancelling.asker} onClick={cancelling.ask} title="CANCEL: a running handler is aborted first">
          Cancel job
        </button>
      )}
      {mayCancel && cancelling.asked && (
        <>
          <button class="button button-bad" disabled={busy} onClick={() => act(() => moveJob(String(job.id), 'cancel'))} ref={takeFocus}>
            Yes, cancel it
          </button>
          <button class="button" onClick={cancelling.leave}>
            Keep it
          </button>
        </>
      )}
    </span>
  )
}

function Reschedule({ job, busy, act, cancel }: { job: JobDetail; busy: boolean; act: (deed: () => Promise<unknown>) => void; cancel: () => void }) {
  const [at, setAt] = useState(localMinute(new Date(Math.max(Date.now(), Date.parse(job.run_after)))))
  const reschedule = (when: Date) => act(() => send('POST', `/jobs/${job.id}/reschedule`, { body: { run_after: when.toISOString() } }))
  return (
    <form
      class="reschedule"
      onSubmit={(event) => {
        event.preventDefault()
        reschedule(new Date(at))
      }}
    >
      <label class="sr" for="run-after">
        Not before
      </label>
      <input ref={takeFocus} id="run-after" class="input" type="datetime-local" required value={at} onInput={(event) => setAt(event.currentTarget.value)} />
      <button class="button button-main" disabled={busy}>
        Set
      </button>
      <button class="button" type="button" disabled={busy} onClick={() => reschedule(new Date())}>
        Now
      </button>
      <button class="button" type="button" onClick={cancel}>
        Leave it
      </button>
    </form>
  )
}

/** As a datetime-local field wants it: in the viewer's zone, to the minute. */
function localMinute(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
