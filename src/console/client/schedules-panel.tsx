import { useState } from 'preact/hooks'
import { readItems, send } from './api.ts'
import { mayMoveQueues } from './authority.ts'
import { Age, Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress } from './route.ts'
import type { Schedule } from './shapes.ts'
import { useAction } from './use-action.ts'

const SCHEDULES_MS = 5_000

/** What runs by the clock: when it ran, when it runs next, and a button that does not wait for it. */
export function SchedulesPanel({ role }: { role: string | undefined }) {
  const { data, error } = usePolling('schedules', SCHEDULES_MS, (signal) => readItems<Schedule>('/schedules', signal))
  return (
    <section class="card" aria-labelledby="schedules-title">
      <div class="card-head">
        <h2 id="schedules-title">Schedules</h2>
        <span class="faint">cron in UTC, each slot once, whatever the number of workers</span>
      </div>
      {data && data.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="group" aria-label="Schedules">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Type</th>
                <th scope="col">Cron</th>
                <th scope="col">Last slot</th>
                <th scope="col">Next</th>
                <th scope="col">For</th>
                {mayMoveQueues(role) && <th scope="col">Now</th>}
              </tr>
            </thead>
            <tbody>
              {data.map((schedule) => (
                <ScheduleRow key={schedule.name} schedule={schedule} mayRun={mayMoveQueues(role)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.length === 0 && <Blank title="No schedule yet">The first worker that starts declares them.</Blank>}
      {!data && (error ? <Fault error={error} doing="read the schedules" /> : <Loading what="the schedules" />)}
    </section>
  )
}

function ScheduleRow({ schedule, mayRun }: { schedule: Schedule; mayRun: boolean }) {
  const { busy, error, run } = useAction()
  const [jobs, setJobs] = useState<number[]>([])
  return (
    <tr>
      <th scope="row">{schedule.name}</th>
      <td>{schedule.job_type}</td>
      <td class="mono">{schedule.cron}</td>
      <td>{schedule.last_slot ? <Age at={schedule.last_slot} suffix=" ago" /> : 'never'}</td>
      <td>{schedule.next_at ? <Age at={schedule.next_at} /> : 'not active'}</td>
      <td>{schedule.per_organization ? 'each organisation' : 'the installation'}</td>
      {mayRun && (
        <td>
          <button
            class="button button-small"
            disabled={busy}
            aria-label={`Run now: ${schedule.name}`}
            onClick={() =>
              run(async () => {
                const { job_ids } = await send<{ job_ids: number[] }>('POST', `/schedules/${encodeURIComponent(schedule.name)}/run`)
                setJobs(job_ids)
              })
            }
          >
            Run now
          </button>{' '}
          <span role="status">
            {jobs.slice(0, 1).map((id) => (
              <a key={id} class="link number" href={jobAddress(id)}>
                #{id}
                {jobs.length > 1 && ` and ${jobs.length - 1} more`}
              </a>
            ))}
            {error && <span class="bad">{error.message}</span>}
          </span>
        </td>
      )}
    </tr>
  )
}
