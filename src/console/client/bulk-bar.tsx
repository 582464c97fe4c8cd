import { useState } from 'preact/hooks'
import { send } from './api.ts'
import { takeFocus } from './focus.ts'
import type { Filters } from './job-filter.ts'
import { useAction } from './use-action.ts'

const ACTIONS = {
  retry: { verb: 'Queue again', event: 'REQUEUE' },
  cancel: { verb: 'Cancel', event: 'CANCEL' },
} as const
type Action = keyof typeof ACTIONS

/** Filters that the API's bulk moves know. */
const BULK_FILTERS = new Set(['status', 'job_type', 'queue', 'organization_id', 'created_after', 'created_before', 'q'])

interface Report {
  matched: number
  has_more: boolean
  applied: number
  requested: number
  refused: number
}

interface Wish {
  action: Action
  report: Report
}

/** Many jobs at once: first what it would move, then the move. */
export function BulkBar({ chosen, filters, clear, moved }: { chosen: ReadonlySet<number>; filters: Filters; clear: () => void; moved: () => void }) {
  const { busy, error, run } = useAction()
  const [wish, setWish] = useState<Wish | null>(null)
  const [done, setDone] = useState<Report | null>(null)
  const names = Object.keys(filters)
  const byFilter = chosen.size === 0
  if (byFilter && names.length === 0 && !done) return null
  const unfit = byFilter ? names.find((name) => !BULK_FILTERS.has(name)) : undefined
  const what = byFilter ? 'all that match' : `${chosen.size} chosen`
  const body = (action: Action, dry_run: boolean) => ({ action, dry_run, filter: byFilter ? filters : { ids: [...chosen] } })

  const preview = (action: Action) =>
    run(async () => {
      setDone(null)
      setWish({ action, report: await send<Report>('POST', '/jobs/bulk', { body: body(action, true) }) })
    })
  const apply = ({ action }: Wish) =>
    run(async () => {
      setDone(await send<Report>('POST', '/jobs/bulk', { body: body(action, false) }))
      setWish(null)
      clear()
      moved()
    })

  return (
    <div class="bulk" role="group" aria-label="Many jobs at once">
      {!wish && (
        <>
          <span class="bulk-what">{what}</span>
          {unfit && <span class="faint">choose rows: a bulk move knows no filter by {unfit.replace('_', ' ')}</span>}
          {!unfit &&
            (Object.keys(ACTIONS) as Action[]).map((action) => (
              <button
                key={action}
                class="button button-small"
                disabled={busy}
                onClick={() => preview(action)}
                title={`${ACTIONS[action].event}: a preview comes first`}
              >
                {ACTIONS[action].verb}…
              </button>
            ))}
          {!byFilter && (
            <button class="button button-small button-quiet" onClick={clear}>
              Choose none
            </button>
          )}
        </>
      )}
      {wish && (
        <>
          <span class="bulk-what" role="status">
            {ACTIONS[wish.action].verb}{' '}
            <strong>
              {wish.report.matched.toLocaleString('en')}
              {wish.report.has_more && ' of many more'}
            </strong>{' '}
            {wish.report.matched === 1 ? 'job' : 'jobs'}?
          </span>
          <button
            class={`button button-small ${wish.action === 'cancel' ? 'button-bad' : 'button-main'}`}
            disabled={busy || wish.report.matched === 0}
            onClick={() => apply(wish)}
            ref={takeFocus}
          >
            {wish.report.matched === 0 ? 'Nothing to move' : `Yes, ${ACTIONS[wish.action].verb.toLowerCase()}`}
          </button>
          <button class="button button-small" onClick={() => setWish(null)}>
            Leave them
          </button>
        </>
      )}
      {done && (
        <span role="status">
          {done.applied.toLocaleString('en')} moved{done.requested > 0 && `, of which ${done.requested} are being aborted`}
          {done.refused > 0 && `; ${done.refused} had moved on`}
        </span>
      )}
      {error && (
        <span class="bad" role="alert">
          {error.message}
        </span>
      )}
    </div>
  )
}
