import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import { AccountPage } from './account-page.tsx'
import { AiPage } from './ai-page.tsx'
import { health, me } from './api.ts'
import { Banner } from './banner.tsx'
import { Desk } from './desk/desk.tsx'
import { forgetDirectory } from './desk/people.ts'
import { FactorDemanded } from './factor-demanded.tsx'
import { ForgotPassword } from './forgot-password.tsx'
import { Header } from './header.tsx'
import { HealthPage } from './health-page.tsx'
import { JobPage } from './job-page.tsx'
import { JobsPage } from './jobs-page.tsx'
import { MachinesPage } from './machines-page.tsx'
import { Blank } from './marks.tsx'
import { Overview } from './overview.tsx'
import { usePolling } from './polling.ts'
import { QueuesPage } from './queues-page.tsx'
import { Register } from './register.tsx'
import { ResetPassword } from './reset-password.tsx'
import { HOME, useRoute } from './route.ts'
import { isSignedIn, lacksFactor, onSessionChange } from './session.ts'
import type { Me } from './shapes.ts'
import { SignIn } from './sign-in.tsx'
import { SlaPage } from './sla-page.tsx'
import { VerifyEmail } from './verify-email.tsx'
import { WorkersPage } from './workers-page.tsx'

const HEALTH_MS = 5_000
const ME_MS = 60_000

export function App() {
  const signedIn = useSignedIn()
  const { surface, path, query } = useRoute()
  const Open = surface === 'console' ? OPEN_PAGES[path] : undefined
  if (Open) return <Open token={query.get('token')} organization={query.get('organization')} />
  if (!signedIn) return <SignIn />
  return lacksFactor() ? <FactorDemanded /> : <Console />
}

/** Where the mails about an account lead, and who wants one, whoever is signed in. */
const OPEN_PAGES: Record<string, (asked: { token: string | null; organization: string | null }) => ComponentChildren> = {
  register: Register,
  'forgot-password': ForgotPassword,
  'reset-password': ResetPassword,
  'verify-email': VerifyEmail,
}

function Console() {
  const { surface, path, query } = useRoute()
  const account = usePolling('me', ME_MS, me).data
  const service = usePolling('health', HEALTH_MS, health).data
  const place = surface === 'console' ? placeOf(path) : undefined
  useEffect(() => {
    if (surface === 'console') document.title = `${place?.title ?? 'Nothing here'} · ATUM DESK console`
  }, [surface, place?.title])

  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header me={account} health={service} surface={surface} path={path} />
      <Banner />
      <main id="main" tabIndex={-1}>
        {surface === 'desk' && account && <Desk path={path} query={query} me={account} />}
        {place?.page({ query, role: account?.role, me: account })}
        {surface === 'console' && !place && (
          <Blank
            title="There is nothing at this address"
            action={
              <a class="button" href={HOME}>
                To the overview
              </a>
            }
          />
        )}
      </main>
    </>
  )
}

interface Asked {
  query: URLSearchParams
  role: string | undefined
  me: Me | undefined
}

interface Place {
  title: string
  page: (asked: Asked) => ComponentChildren
}

/** What stands at a path below /console/. */
function placeOf(path: string): Place | undefined {
  const job = /^jobs\/(\d+)$/.exec(path)?.[1]
  if (job !== undefined) return { title: `Job ${job}`, page: ({ role }) => <JobPage key={job} id={job} role={role} /> }
  return PLACES[path]
}

const PLACES: Record<string, Place> = {
  '': { title: 'Overview', page: (asked) => <Overview {...asked} /> },
  machines: { title: 'Machines', page: (asked) => <MachinesPage {...asked} /> },
  jobs: { title: 'Jobs', page: (asked) => <JobsPage {...asked} /> },
  queues: { title: 'Queues', page: (asked) => <QueuesPage {...asked} /> },
  workers: { title: 'Workers', page: (asked) => <WorkersPage {...asked} /> },
  health: { title: 'Health', page: (asked) => <HealthPage {...asked} /> },
  ai: { title: 'AI quality', page: (asked) => <AiPage {...asked} /> },
  account: { title: 'Your account', page: ({ me }) => <AccountPage me={me} /> },
  sla: { title: 'SLA', page: (asked) => <SlaPage {...asked} /> },
}

function useSignedIn(): boolean {
  const [, draw] = useState('')
  useLayoutEffect(
    () =>
      onSessionChange(() => {
        if (!isSignedIn()) forgetDirectory()
        draw(`${isSignedIn()} ${lacksFactor()}`)
      }),
    [],
  )
  return isSignedIn()
}
