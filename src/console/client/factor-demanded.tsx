import { renewSession, signOut } from './api.ts'
import { Door } from './door.tsx'
import { FactorSetup } from './factor-setup.tsx'
import { useAction } from './use-action.ts'

/** All that is open to who signed in without the second factor that the organisation wants. */
export function FactorDemanded() {
  const { error, run } = useAction()
  return (
    <Door title="Set up a second factor">
      <p class="note">
        Your organisation wants a second factor of your role: besides the password, a code from an app. Without one nothing else is open to you.
      </p>
      <FactorSetup label="Go on" done={() => run(renewSession)} />
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
      <button class="button button-quiet" onClick={() => void signOut()}>
        Sign out
      </button>
    </Door>
  )
}
