import { useLayoutEffect, useState } from 'preact/hooks'
import { signOut } from './api.ts'
import { followKeys, useCommands } from './commands.ts'
import { STAFF } from './desk/people.ts'
import { pagesOf } from './nav.tsx'
import { Palette } from './palette.tsx'
import { ACCOUNT, go } from './route.ts'
import { Shortcuts } from './shortcuts.tsx'

/** Where everything that can be done is found: by its name with Ctrl-K, by its key with "?". */
export function CommandBar({ role }: { role: string | undefined }) {
  const [shown, setShown] = useState<'palette' | 'keys' | null>(null)
  // A dialog says that it is closed a moment later: another one may be open by then.
  const close = (which: 'palette' | 'keys') => setShown((before) => (before === which ? null : before))
  useLayoutEffect(followKeys, [])
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      setShown((before) => (before === 'palette' ? null : 'palette'))
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
  useCommands([
    { id: 'keys', name: 'Show the keys', keys: '?', run: () => setShown('keys') },
    ...pagesOf(role).map(({ address, name, keys }) => ({ id: `page-${address}`, name: `Go to ${name}`, keys, run: () => go(address) })),
    { id: 'account', name: 'Go to your account', keys: 'g a', run: () => go(ACCOUNT) },
    { id: 'sign-out', name: 'Sign out', run: () => void signOut() },
  ])
  return (
    <>
      <span class="command-bar">
        <button class="button button-small" onClick={() => setShown('palette')}>
          Commands <kbd>Ctrl K</kbd>
        </button>
        <button class="button button-small button-key" aria-label="Keys" title="Keys" onClick={() => setShown('keys')}>
          ?
        </button>
      </span>
      {shown === 'palette' && <Palette close={() => close('palette')} tickets={role !== undefined && STAFF.has(role)} />}
      {shown === 'keys' && <Shortcuts close={() => close('keys')} />}
    </>
  )
}
