import { Blank } from '../marks.tsx'
import { DESK, go } from '../route.ts'
import type { Route } from '../route.ts'
import type { Me } from '../shapes.ts'
import { useCommands } from '../commands.ts'
import { STAFF } from './people.ts'
import { TicketList } from './ticket-list.tsx'
import { TicketPage } from './ticket-page.tsx'

/** Where agents answer tickets. */
export function Desk({ path, query, me }: Pick<Route, 'path' | 'query'> & { me: Me }) {
  useCommands([
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
    </>
  )
}
