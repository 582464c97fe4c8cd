import { useEffect, useState } from 'preact/hooks'
import { health, me } from './api.ts'
import { Banner } from './banner.tsx'
import { Header } from './header.tsx'
import { JobPage } from './job-page.tsx'
import { Blank } from './marks.tsx'
import { Overview } from './overview.tsx'
import { usePolling } from './polling.ts'
import { HOME, useRoute } from './route.ts'
import { isSignedIn, onSessionChange } from './session.ts'
import { SignIn } from './sign-in.tsx'

const HEALTH_MS = 5_000
const ME_MS = 60_000

export function App() {
  const signedIn = useSignedIn()
  return signedIn ? <Console /> : <SignIn />
}

function Console() {
  const { path, query } = useRoute()
  const account = usePolling('me', ME_MS, me).data
  const service = usePolling('health', HEALTH_MS, health).data
  const job = /^jobs\/(\d+)$/.exec(path)?.[1]
  const title = job ? `Job ${job}` : 'Jobs'
  useEffect(() => {
    document.title = `${title} · ATUM DESK console`
  }, [title])

  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header me={account} health={service} />
      <Banner />
      <main id="main" tabIndex={-1}>
        {job !== undefined && <JobPage key={job} id={job} role={account?.role} />}
        {path === '' && <Overview query={query} role={account?.role} />}
        {path !== '' && job === undefined && (
          <Blank
            title="There is nothing at this address"
            action={
              <a class="button" href={HOME}>
                To the jobs
              </a>
            }
          />
        )}
      </main>
    </>
  )
}

function useSignedIn(): boolean {
  const [signedIn, setSignedIn] = useState(isSignedIn)
  useEffect(() => onSessionChange(() => setSignedIn(isSignedIn())), [])
  return signedIn
}
