import { useState } from 'preact/hooks'
import { returnFocus } from './focus.ts'

/** A deed that the person starts: whether it is under way, and what went wrong the last time. */
export function useAction(): { busy: boolean; error: Error | null; run: (deed: () => Promise<void>) => void } {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error | null>(null)
  const run = (deed: () => Promise<void>): void => {
    const focused = document.activeElement
    setBusy(true)
    setError(null)
    deed()
      .catch((fault: unknown) => setError(fault instanceof Error ? fault : new Error(String(fault))))
      .finally(() => {
        setBusy(false)
        // Once what follows from the deed is drawn.
        requestAnimationFrame(() => requestAnimationFrame(() => returnFocus(focused)))
      })
  }
  return { busy, error, run }
}
