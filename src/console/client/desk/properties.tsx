import { ApiError, send } from '../api.ts'
import { mayReadJobs } from '../authority.ts'
import { jobsAddress } from '../route.ts'
import type { Me } from '../shapes.ts'
import { useAction } from '../use-action.ts'
import type { Directory } from './people.ts'
import type { Ticket } from './shapes.ts'

const PRIORITIES = ['low', 'medium', 'high', 'urgent']

/** Changes a ticket, and refuses to overwrite what somebody else changed since it was read. */
export function useChange(ticket: Ticket, changed: () => void) {
  const { busy, error, run } = useAction()
  const change = async (what: 'edit' | 'assign', body: Record<string, unknown>): Promise<void> => {
    const headers = { 'if-match': `"${ticket.version}"` }
    try {
      if (what === 'edit') await send('PATCH', `/tickets/${ticket.id}`, { body, headers })
      else await send('POST', `/tickets/${ticket.id}/assign`, { body, headers })
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 412)
        throw new Error('Somebody changed this ticket meanwhile. It was read again: look, and decide again.', { cause: fault })
      throw fault
    } finally {
      changed()
    }
  }
  return { busy, error, change, run: (what: 'edit' | 'assign', body: Record<string, unknown>) => run(() => change(what, body)) }
}

/** What a ticket is about and whose it is, to be changed where it stands. */
export function Properties({ ticket, directory, me, changed }: { ticket: Ticket; directory: Directory; me: Me; changed: () => void }) {
  const { busy, error, run } = useChange(ticket, changed)
  const requester = directory.person(ticket.requester_id)
  return (
    <section class="card properties" aria-labelledby="properties-title">
      <h2 id="properties-title">Ticket</h2>
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>From</dt>
          <dd title={requester?.email}>{requester?.full_name ?? '…'}</dd>
        </div>
      </dl>
      <label class="choice">
        <span>Assignee</span>
        <select
          class="select"
          disabled={busy}
          value={ticket.assigned_to ?? ''}
          onChange={(event) => run('assign', { assignee_id: event.currentTarget.value || null })}
        >
          <option value="">nobody</option>
          {directory.staff.map(({ id, full_name }) => (
            <option key={id} value={id}>
              {full_name}
            </option>
          ))}
        </select>
      </label>
      <label class="choice">
        <span>Priority</span>
        <select class="select" disabled={busy} value={ticket.priority} onChange={(event) => run('edit', { priority: event.currentTarget.value })}>
          {PRIORITIES.map((priority) => (
            <option key={priority} value={priority}>
              {priority}
            </option>
          ))}
        </select>
      </label>
      <label class="choice">
        <span>Service</span>
        <select
          class="select"
          disabled={busy}
          value={ticket.service_id ?? ''}
          onChange={(event) => run('edit', { service_id: event.currentTarget.value || null })}
        >
          <option value="">none</option>
          {directory.services
            .filter(({ id, is_active }) => is_active || id === ticket.service_id)
            .map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
        </select>
      </label>
      <form
        class="choice"
        onSubmit={(event) => {
          event.preventDefault()
          const given = new FormData(event.currentTarget).get('tags')
          run('edit', {
            tags:
              typeof given === 'string'
                ? [
                    ...new Set(
                      given
                        .split(',')
                        .map((tag) => tag.trim())
                        .filter(Boolean),
                    ),
                  ]
                : [],
          })
        }}
      >
        <label for="tags">Tags</label>
        <input id="tags" key={ticket.tags.join()} class="input" name="tags" disabled={busy} defaultValue={ticket.tags.join(', ')} placeholder="none" />
      </form>
      {mayReadJobs(me.role) && (
        <p>
          <a class="link" href={jobsAddress({ ticket_id: ticket.id })}>
            Its jobs
          </a>
        </p>
      )}
    </section>
  )
}
