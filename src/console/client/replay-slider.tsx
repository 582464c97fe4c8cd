import { useEffect, useState } from 'preact/hooks'
import { read } from './api.ts'
import { Chip } from './marks.tsx'
import type { Replay } from './shapes.ts'
import { clock, exact } from './times.ts'

interface Props {
  id: string
  last: number
  /** The event that is looked at; null at the live end. */
  seq: number | null
  onMove: (seq: number | null) => void
}

/** Plays the log of a job back: the server folds its events through the machine, and says where row and log differ. */
export function ReplaySlider({ id, last, seq, onMove }: Props) {
  const [replay, setReplay] = useState<Replay | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  useEffect(() => {
    setReplay(null)
    if (seq === null) return undefined
    const life = new AbortController()
    const ask = async () => {
      try {
        setReplay(await read<Replay>(`/jobs/${id}/replay?seq=${seq}`, life.signal))
        setFault(null)
      } catch (error) {
        if (!life.signal.aborted) setFault(error instanceof Error ? error.message : String(error))
      }
    }
    void ask()
    return () => life.abort()
  }, [id, seq])
  if (last < 2) return null
  const at = seq ?? last

  return (
    <div class="replay">
      <label class="replay-label" for="replay">
        Replay
      </label>
      <input
        id="replay"
        type="range"
        min={1}
        max={last}
        step={1}
        value={at}
        aria-valuetext={`event ${at} of ${last}${replay ? `: ${replay.event}, ${replay.state}` : ''}`}
        onInput={(event) => {
          const chosen = Number(event.currentTarget.value)
          onMove(chosen === last ? null : chosen)
        }}
      />
      <output class="replay-words number" for="replay">
        {seq === null ? (
          <>live, event {last}</>
        ) : (
          <>
            event {seq} of {last}
            {replay?.seq === seq && replay.state && replay.at && (
              <>
                {' '}
                <span class="mono">{replay.event}</span> <Chip state={replay.state} /> attempt {replay.attempt}{' '}
                <time dateTime={replay.at} title={exact(replay.at)}>
                  {clock(replay.at)}
                </time>
              </>
            )}
          </>
        )}
      </output>
      {seq !== null && (
        <button class="button button-small" onClick={() => onMove(null)}>
          Live
        </button>
      )}
      {replay?.mismatch && (
        <p class="note note-bad">
          At event {replay.mismatch.seq} the log says {replay.mismatch.logged}, and the machine says {replay.mismatch.machine}.
        </p>
      )}
      {fault && (
        <p class="bad" role="alert">
          {fault}
        </p>
      )}
    </div>
  )
}
