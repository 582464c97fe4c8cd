import { health, machines, read, readIfThere } from './api.ts'
import { DatabasePanel } from './database-panel.tsx'
import { Age, Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress, jobsAddress } from './route.ts'
import type { DatabaseHealth, DeadLetters, Health } from './shapes.ts'
import { spoken } from './states.ts'
import { Tile } from './tile.tsx'
import { duration, exact } from './times.ts'
import { WindowPicker, windowOf } from './window-picker.tsx'

const HEALTH_MS = 5_000
const DATABASE_MS = 15_000

/** Whether all is well, and if not, what is not. */
export function HealthPage({ query, role }: { query: URLSearchParams; role: string | undefined }) {
  const service = usePolling('health', HEALTH_MS, health)
  const database = usePolling(`database ${role}`, DATABASE_MS, async (signal) =>
    role === 'operator' ? readIfThere<DatabaseHealth>('/database/health', signal) : null,
  )
  return (
    <div class="page">
      <section class="card" aria-labelledby="health-title">
        <div class="card-head">
          <h1 id="health-title">Health</h1>
        </div>
        {service.data ? (
          <ServiceFigures health={service.data} database={database.data ?? null} />
        ) : service.error ? (
          <Fault error={service.error} doing="read the health" />
        ) : (
          <Loading what="the health" />
        )}
      </section>
      <DeadLetterPanel query={query} />
      {role === 'operator' && database.data && <DatabasePanel health={database.data} />}
      {role === 'operator' && !database.data && database.error && <Fault error={database.error} doing="read the health of the database" />}
    </div>
  )
}

function ServiceFigures({ health, database }: { health: Health; database: DatabaseHealth | null }) {
  const failed = usePolling('machines', HEALTH_MS, machines).data?.find(({ name }) => name === 'job')?.counts?.['failed']
  const { checks } = health
  const faults = database?.conformance.violations ?? []
  return (
    <ul class="tiles">
      <Tile
        name="Service"
        value={health.status}
        tone={health.status === 'ok' ? 'done' : health.status === 'degraded' ? 'retried' : 'failed'}
        from="GET /health"
      />
      {database && (
        <Tile
          name="Log violations"
          value={faults.length === 0 ? '0' : `${faults.length} or more`}
          note={`must be 0; in the newest ${database.conformance.checked_jobs.toLocaleString('en')} jobs`}
          tone={faults.length === 0 ? 'done' : 'failed'}
          from="select * from job_log_violations"
          href={faults[0] && jobAddress(faults[0].job_id)}
        />
      )}
      <Tile
        name="Database answers"
        value={checks.database.latency_ms === null ? checks.database.status : `in ${checks.database.latency_ms} ms`}
        tone={checks.database.status === 'ok' ? 'done' : 'failed'}
        from="atum_db_up, GET /health"
      />
      <Tile
        name="Migrations"
        value={checks.migrations.pending.length > 0 ? `${checks.migrations.pending.length} pending` : `${checks.migrations.applied ?? '?'} applied`}
        tone={checks.migrations.status === 'ok' ? 'done' : 'retried'}
        from="atum-desk migrate status"
      />
      <Tile name="Workers alive" value={String(health.workers_alive ?? 'unknown')} tone={health.workers_alive ? 'done' : 'failed'} from="GET /workers" />
      <Tile
        name="Oldest due job"
        value={checks.oldest_due_seconds ? duration(checks.oldest_due_seconds * 1_000) : 'none waits'}
        tone={checks.oldest_due_seconds && checks.oldest_due_seconds > 60 ? 'retried' : 'done'}
        from="atum_job_oldest_due_seconds"
      />
      {failed !== undefined && (
        <Tile
          name="Dead letters"
          value={failed.toLocaleString('en')}
          tone={failed > 0 ? 'retried' : 'done'}
          from='atum_job_queue_depth{status="failed"}'
          href={jobsAddress({ status: 'failed' })}
        />
      )}
      {checks.dependencies?.map(({ name, circuit, last_ok_at, last_failure_at }) => (
        <Tile
          key={name}
          name={`Dependency: ${spoken(name)}`}
          value={circuit === 'closed' ? 'answers' : circuit === 'open' ? 'is given a rest' : 'is being tried again'}
          note={[last_ok_at && `last answered ${exact(last_ok_at)}`, last_failure_at && `last failed ${exact(last_failure_at)}`].filter(Boolean).join('; ')}
          tone={circuit === 'closed' ? 'done' : 'failed'}
          from="GET /health, dependencies"
        />
      ))}
    </ul>
  )
}

function DeadLetterPanel({ query }: { query: URLSearchParams }) {
  const seconds = windowOf(query)
  const { data, error } = usePolling(`dead letters ${seconds}`, DATABASE_MS, (signal) =>
    read<{ items: DeadLetters[]; window_seconds: number }>(`/dead-letters?window=${seconds}`, signal),
  )
  return (
    <section class="card" aria-labelledby="dead-title">
      <div class="card-head">
        <h2 id="dead-title">Dead letters by error</h2>
        {data && <span class="faint">that failed for good in the last {duration(data.window_seconds * 1_000)}</span>}
        <span class="card-space" />
        <WindowPicker query={query} />
      </div>
      {data && data.items.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="group" aria-label="Dead letters">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Error</th>
                <th scope="col">Type</th>
                <th scope="col" class="number">
                  Jobs
                </th>
                <th scope="col" class="number">
                  Still failed
                </th>
                <th scope="col">Newest</th>
                <th scope="col">Message</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map((letters) => (
                <tr key={`${letters.error_class} ${letters.job_type}`}>
                  <th scope="row" class="mono">
                    {letters.error_class}
                  </th>
                  <td>
                    <a class="link" href={jobsAddress({ status: 'failed', job_type: letters.job_type })}>
                      {spoken(letters.job_type)}
                    </a>
                  </td>
                  <td class="number">{letters.jobs.toLocaleString('en')}</td>
                  <td class="number">{letters.still_failed.toLocaleString('en')}</td>
                  <td>
                    <a class="link number" href={jobAddress(letters.newest_job)}>
                      #{letters.newest_job}
                    </a>{' '}
                    <Age at={letters.newest_at} suffix=" ago" />
                  </td>
                  <td class="table-long">{letters.message}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.items.length === 0 && <Blank title="Nothing failed for good in this time" />}
      {!data && (error ? <Fault error={error} doing="read the dead letters" /> : <Loading what="the dead letters" />)}
    </section>
  )
}
