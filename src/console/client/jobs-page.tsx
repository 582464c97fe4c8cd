import { machines } from './api.ts'
import { mayMoveJobs } from './authority.ts'
import { JobList } from './job-list.tsx'
import { usePolling } from './polling.ts'
import { SavedViews } from './saved-views.tsx'
import type { Me } from './shapes.ts'

const MACHINES_MS = 2_000
const PAGE = 50

/** Every job, to be searched, filtered and moved. */
export function JobsPage({ query, role, me }: { query: URLSearchParams; role: string | undefined; me: Me | undefined }) {
  const machine = usePolling('machines', MACHINES_MS, machines).data?.find(({ name }) => name === 'job')
  return (
    <div class="page">
      <JobList query={query} machine={machine} page={PAGE} mayMove={mayMoveJobs(role)} title="Jobs">
        <SavedViews query={query} me={me} />
      </JobList>
    </div>
  )
}
