import { ApiError, moveQueue, queues } from './api.ts'
import { mayMoveQueues } from './authority.ts'
import { Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import type { Queue } from './shapes.ts'
import { duration } from './times.ts'
import { useAction } from './use-action.ts'

/** Slower than the rest: the answer counts every job of every queue. */
const QUEUES_MS = 5_000

/** The queues of the installation. Who may not see them is not shown that there is something to see. */
export function QueuesPanel({ role }: { role: string | undefined }) {
  const { data, error, refresh } = usePolling('queues', QUEUES_MS, queues)
  if (error instanceof ApiError && error.status === 403) return null
  return (
    <section class="card" aria-labelledby="queues-title">
      <div class="card-head">
        <h2 id="queues-title">Queues</h2>
      </div>
      {data && data.length > 0 && (
        <ul class="queues">
          {data.map((queue) => (
            <QueueRow key={queue.name} queue={queue} mayMove={mayMoveQueues(role)} moved={refresh} />
          ))}
        </ul>
      )}
      {data?.length === 0 && <Blank title="No queue yet">A queue appears when the first worker starts.</Blank>}
      {!data && !error && <Loading what="the queues" />}
      {!data && error && <Fault error={error} doing="read the queues" />}
    </section>
  )
}

function QueueRow({ queue, mayMove, moved }: { queue: Queue; mayMove: boolean; moved: () => void }) {
  return (
    <li class={queue.paused ? 'queue paused' : 'queue'}>
      <span class={`dot tone-${queue.paused ? 'retried' : 'done'}`} />
      <span class="queue-name">{queue.name}</span>
      {queue.paused && <span class="chip tone-retried">paused</span>}
      <span class="card-space" />
      <span
        class="faint number"
        title={queue.oldest_due_seconds === null ? 'no job is due' : `the oldest due job waits for ${duration(queue.oldest_due_seconds * 1_000)}`}
      >
        {queue.depth.toLocaleString('en')} waiting
      </span>
      {mayMove && <PauseButton queue={queue} moved={moved} />}
    </li>
  )
}

/** Stops a queue's claims, or lets them go on. */
export function PauseButton({ queue, moved }: { queue: Queue; moved: () => void }) {
  const { busy, error, run } = useAction()
  const move = queue.paused ? 'resume' : 'pause'
  return (
    <>
      <button
        class="button button-small"
        disabled={busy}
        aria-label={`${move} ${queue.name}`}
        onClick={() =>
          run(async () => {
            await moveQueue(queue.name, move)
            moved()
          })
        }
      >
        {queue.paused ? 'Resume' : 'Pause'}
      </button>
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
    </>
  )
}
