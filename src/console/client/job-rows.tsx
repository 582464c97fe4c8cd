import { Age, Chip } from './marks.tsx'
import { jobAddress } from './route.ts'
import { moveAmongRows } from './row-keys.ts'
import type { Job } from './shapes.ts'
import { spoken } from './states.ts'

interface Choice {
  chosen: ReadonlySet<number>
  toggle: (ids: number[], on: boolean) => void
}

/** Jobs as a table; with `choice`, each with a box to choose it by. */
export function JobRows({ jobs, choice }: { jobs: Job[]; choice?: Choice | undefined }) {
  const ids = jobs.map(({ id }) => id)
  const all = choice !== undefined && ids.every((id) => choice.chosen.has(id))
  return (
    <table class={choice ? 'jobs jobs-choice' : 'jobs'} onKeyDown={moveAmongRows}>
      <thead>
        <tr>
          {choice && (
            <th scope="col" class="cell-choice">
              <input
                type="checkbox"
                aria-label="Choose all jobs of this page"
                checked={all}
                onChange={(event) => choice.toggle(ids, event.currentTarget.checked)}
              />
            </th>
          )}
          <th scope="col" class="number cell-id">
            Id
          </th>
          <th scope="col" class="cell-type">
            Type
          </th>
          <th scope="col" class="cell-state">
            State
          </th>
          <th scope="col" class="number cell-attempt">
            Attempt
          </th>
          <th scope="col" class="cell-queue">
            Queue
          </th>
          <th scope="col" class="number cell-age">
            Age
          </th>
          <th scope="col">Last error</th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <Row key={job.id} job={job} choice={choice} />
        ))}
      </tbody>
    </table>
  )
}

function Row({ job, choice }: { job: Job; choice: Choice | undefined }) {
  return (
    <tr class="row">
      {choice && (
        <td class="cell-choice">
          <input
            type="checkbox"
            aria-label={`Choose job ${job.id}`}
            checked={choice.chosen.has(job.id)}
            onChange={(event) => choice.toggle([job.id], event.currentTarget.checked)}
          />
        </td>
      )}
      <td class="number cell-id">
        <a class="row-link" href={jobAddress(job.id)} aria-label={`Job ${job.id}, ${job.job_type}, ${spoken(job.status)}`}>
          {job.id}
        </a>
      </td>
      <td class="cell-type">{job.job_type}</td>
      <td class="cell-state">
        <Chip state={job.status} />
      </td>
      <td class="number cell-attempt" title={`attempt ${job.attempt} of at most ${job.max_attempts}`}>
        {job.attempt}
        <span class="faint">/{job.max_attempts}</span>
      </td>
      <td class="cell-queue">{job.queue}</td>
      <td class="number cell-age">
        <Age at={job.created_at} />
      </td>
      <td class="cell-error" title={job.last_error ?? undefined}>
        {job.last_error}
      </td>
    </tr>
  )
}
