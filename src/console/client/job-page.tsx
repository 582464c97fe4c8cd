import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { ApiError, job as readJob, jobEvents, machines } from './api.ts'
import { mayMoveJobs } from './authority.ts'
import { ChartView } from './chart.tsx'
import { JobActions } from './job-actions.tsx'
import { JsonView } from './json-view.tsx'
import { Age, Blank, Chip, Fault, Json, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { ReplaySlider } from './replay-slider.tsx'
import { JOBS, jobsAddress, ticketAddress, workerAddress } from './route.ts'
import type { JobDetail } from './shapes.ts'
import { settledStates } from './states.ts'
import { LifeStrip, Timeline } from './timeline.tsx'
import { exact } from './times.ts'

const JOB_MS = 1_000
/** The definition of the machine does not change while the service runs. */
const MACHINE_MS = 60_000

/** One job: where it stands in its machine, the way that it took, and what may be done with it. */
export function JobPage({ id, role }: { id: string; role: string | undefined }) {
  const { data: machine } = usePolling('job-machine', MACHINE_MS, async (signal) => (await machines(signal)).find(({ name }) => name === 'job'))
  const { data, error, refresh } = usePolling(`job ${id}`, JOB_MS, async (signal) => {
    const [job, log] = await Promise.all([readJob(id, signal), jobEvents(id, signal)])
    return { job, ...log }
  })
  const [seq, setSeq] = useState<number | null>(null)
  const resting = useMemo(() => (machine ? settledStates(machine) : new Set<string>()), [machine])

  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Blank
        title={`There is no job ${id}`}
        action={
          <a class="button" href={JOBS}>
            To the jobs
          </a>
        }
      >
        It may have been cleaned up, or it belongs to another organisation.
      </Blank>
    )
  }
  if (!data) return error ? <Fault error={error} doing={`read job ${id}`} /> : <Loading rows={8} what={`job ${id}`} />
  const { job, more } = data
  const shown = seq === null ? data.events : data.events.filter((event) => event.seq <= seq)
  const replayed = seq === null ? job.status : (shown.at(-1)?.to_state ?? job.status)
  return (
    <div class="job">
      <JobHead job={job} mayMove={mayMoveJobs(role)} moved={refresh} />
      {machine && (
        <section class="card card-chart" aria-label="The job in its machine">
          <ChartView chart={machine} current={replayed} moves={shown} />
          <ReplaySlider id={id} last={data.events.at(-1)?.seq ?? 0} seq={seq} onMove={setSeq} />
        </section>
      )}
      <section class="card card-timeline" aria-labelledby="timeline-title">
        <div class="card-head">
          <h2 id="timeline-title">What happened</h2>
          <span class="faint number">{data.events.length === 1 ? '1 event' : `${data.events.length} events`}</span>
        </div>
        <LifeStrip events={data.events} resting={resting} />
        {more && <p class="note">This log is longer than the console reads; the rest is at /api/v1/jobs/{id}/events.</p>}
        <Timeline events={data.events} resting={resting} until={seq} />
      </section>
      <JobFacts job={job} />
    </div>
  )
}

function JobHead({ job, mayMove, moved }: { job: JobDetail; mayMove: boolean; moved: () => void }) {
  return (
    <div class="job-head">
      <p class="crumb">
        <a href={JOBS}>Jobs</a>
      </p>
      <div class="job-title">
        <h1>
          <span class="faint">#</span>
          {job.id} <span class="job-type">{job.job_type}</span>
        </h1>
        <Chip state={job.status} />
        <span class="card-space" />
        {mayMove && <JobActions job={job} moved={moved} />}
      </div>
      {job.waiting_because.length > 0 && (job.status === 'queued' || job.status === 'retried') && (
        <p class="note">
          <strong>Waits because</strong> {job.waiting_because.map(({ detail }) => detail).join('; ')}
        </p>
      )}
      {job.cancel_requested && <p class="note">Its worker was asked to abort it.</p>}
      <Progress progress={job.progress} />
      {job.last_error && (
        <p class="note note-bad mono" title="The last error">
          {job.last_error}
        </p>
      )}
    </div>
  )
}

function Progress({ progress }: { progress: unknown }) {
  if (progress === null || progress === undefined) return null
  if (typeof progress !== 'number') return <Json label="Progress" value={progress} />
  return <progress class="progress" value={progress} max={1} aria-label="Progress" />
}

function JobFacts({ job }: { job: JobDetail }) {
  const { ticket_id } = (job.payload ?? {}) as { ticket_id?: unknown }
  const ticket = typeof ticket_id === 'string' ? ticket_id : null
  const instants = [
    ['Created', job.created_at],
    ['Updated', job.updated_at],
    ['Not before', job.run_after],
    ['Finished', job.finished_at],
  ] as const
  return (
    <section class="card card-facts" aria-labelledby="facts-title">
      <div class="card-head">
        <h2 id="facts-title">Facts</h2>
      </div>
      <dl class="facts">
        <Fact name="Attempt">
          {job.attempt} of {job.max_attempts}
        </Fact>
        <Fact name="Queue">
          <a class="link" href={jobsAddress({ queue: job.queue })}>
            {job.queue}
          </a>
        </Fact>
        <Fact name="Priority">{job.priority}</Fact>
        <Fact name="Held by">
          {job.locked_by === null ? (
            'nobody'
          ) : (
            <a class="link" href={workerAddress(job.locked_by)}>
              worker {job.locked_by}
            </a>
          )}
        </Fact>
        {ticket && (
          <Fact name="Ticket">
            <a class="link mono" href={ticketAddress(ticket)}>
              {ticket}
            </a>{' '}
            <a class="link" href={jobsAddress({ ticket_id: ticket })}>
              its jobs
            </a>
          </Fact>
        )}
        <Fact name="Organisation">{job.organization_id ?? 'the installation'}</Fact>
        {instants.map(
          ([name, at]) =>
            at && (
              <Fact key={name} name={name}>
                {exact(at)}{' '}
                <span class="faint">
                  (<Age at={at} suffix=" ago" />)
                </span>
              </Fact>
            ),
        )}
      </dl>
      <JsonView
        parts={[
          { label: 'Payload', value: job.payload },
          { label: 'Result', value: job.result },
        ]}
      />
    </section>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
