import { useState } from 'preact/hooks'
import { enqueue } from './api.ts'
import { mayMoveJobs } from './authority.ts'
import { useAction } from './use-action.ts'

/** Long enough for the eye to follow a job through its states. */
const SLEEP_MS = 1_500
const STEADY = { job_type: 'PROBE', payload: { sleep_ms: SLEEP_MS }, count: 19 }
const STUMBLING = { job_type: 'PROBE', payload: { sleep_ms: SLEEP_MS, fail_times: 2 }, count: 1 }

/** Sends harmless jobs through the machine, one of which fails twice: so that there is something to watch. */
export function ProbeButton({ role }: { role: string | undefined }) {
  const { busy, error, run } = useAction()
  const [sent, setSent] = useState(0)
  if (!mayMoveJobs(role)) return null
  const send = async () => {
    await enqueue(STUMBLING)
    await enqueue(STEADY)
    setSent((before) => before + STEADY.count + STUMBLING.count)
  }
  return (
    <span class="probe">
      <span class="probe-word" role="status">
        {error ? <span class="bad">{error.message}</span> : sent > 0 && !busy ? `${sent} sent` : ''}
      </span>
      <button
        class="button button-main"
        disabled={busy}
        onClick={() => run(send)}
        title={`Enqueues ${STEADY.count + STUMBLING.count} PROBE jobs that sleep ${SLEEP_MS / 1_000} s; one of them fails twice before it succeeds`}
      >
        Send {STEADY.count + STUMBLING.count} probes
      </button>
    </span>
  )
}
