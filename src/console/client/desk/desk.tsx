import { useEffect, useState } from 'preact/hooks'
import { Blank } from '../marks.tsx'
import { DESK, go } from '../route.ts'
import type { Route } from '../route.ts'
import type { Me } from '../shapes.ts'
import { followKeys, useCommands } from './commands.ts'
import { Palette } from './palette.tsx'
import { STAFF } from './people.ts'
import { Shortcuts } from './shortcuts.tsx'
import { TicketList } from './ticket-list.tsx'
import { TicketPage } from './ticket-page.tsx'

/** Where agents answer tickets. */
export function Desk({ path, query, me }: Pick<Route, 'path' | 'query'> & { me: Me }) {
  const [shown, setShown] = useState<'palette' | 'keys' | null>(null)
  // A dialog says that it is closed a moment later: another one may be open by then.
  const close = (which: 'palette' | 'keys') => setShown((before) => (before === which ? null : before))
  useEffect(followKeys, [])
  useEffect(() => {
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
    { id: 'list', name: 'Go to the list', keys: 'g l', run: () => go(DESK) },
    { id: 'mine', name: 'Go to my tickets', keys: 'g m', run: () => go(`${DESK}?who=me`) },
    { id: 'nobodys', name: "Go to nobody's tickets", keys: 'g n', run: () => go(`${DESK}?who=none`) },
  ])

  if (!STAFF.has(me.role)) {
    return (
      <Blank title="The desk is for the people who answer">
        {me.role === 'operator'
          ? 'An operator belongs to no organisation and sees no tickets.'
          : 'A page for customers comes later; the API serves them already.'}
      </Blank>
    )
  }
  const ticket = /^tickets\/([\da-f-]{36})$/.exec(path)?.[1]
  return (
    <>
      <div class="desk-bar">
        <button class="button button-small" onClick={() => setShown('palette')}>
          Commands <kbd>Ctrl K</kbd>
        </button>
        <button class="button button-small" onClick={() => setShown('keys')}>
          Keys <kbd>?</kbd>
        </button>
      </div>
      {ticket && <TicketPage key={ticket} id={ticket} me={me} />}
      {path === '' && <TicketList query={query} me={me} />}
      {path !== '' && !ticket && (
        <Blank
          title="There is nothing at this address"
          action={
            <a class="button" href={DESK}>
              To the tickets
            </a>
          }
        />
      )}
      {shown === 'palette' && <Palette close={() => close('palette')} />}
      {shown === 'keys' && <Shortcuts close={() => close('keys')} />}
    </>
  )
}
