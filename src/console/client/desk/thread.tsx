import { Age } from '../marks.tsx'
import { bytes } from '../times.ts'
import { Download } from './attachments-panel.tsx'
import type { Directory } from './people.ts'
import { STAFF } from './people.ts'
import type { Attachment, Comment, Ticket } from './shapes.ts'

interface Props {
  ticket: Ticket
  comments: Comment[]
  attachments: Attachment[]
  directory: Directory
  more: boolean
}

/** What was said, the oldest first: all of it text, nothing of it markup. */
export function Thread({ ticket, comments, attachments, directory, more }: Props) {
  return (
    <ol class="thread" aria-label="What was said">
      <li class="said said-customer">
        <SaidBy name={directory.person(ticket.requester_id)?.full_name} at={ticket.created_at} />
        <p class="said-text">{ticket.description}</p>
      </li>
      {comments.map((comment) => {
        const author = directory.person(comment.author_id)
        const isStaff = author !== undefined && STAFF.has(author.role)
        const own = attachments.filter(({ comment_id }) => comment_id === comment.id)
        return (
          <li key={comment.id} class={`said ${comment.is_internal ? 'said-note' : isStaff ? 'said-staff' : 'said-customer'}`}>
            <SaidBy name={author?.full_name} at={comment.created_at} mark={comment.is_internal ? 'internal note' : undefined} ai={comment.is_ai_generated} />
            <p class="said-text">{comment.content}</p>
            {own.map((attachment) => (
              <p key={attachment.id}>
                <Download attachment={attachment} /> <span class="faint">{bytes(attachment.size_bytes)}</span>
              </p>
            ))}
          </li>
        )
      })}
      {more && <li class="note">This thread is longer than the desk reads; the rest is at /api/v1/tickets/{ticket.id}/comments.</li>}
    </ol>
  )
}

function SaidBy({ name, at, mark, ai = false }: { name: string | undefined; at: string; mark?: string | undefined; ai?: boolean }) {
  return (
    <p class="said-by">
      <strong>{name ?? '…'}</strong>
      {mark && <span class="chip tone-retried">{mark}</span>}
      {ai && <span class="chip tone-held">written by a model</span>}
      <span class="faint">
        <Age at={at} suffix=" ago" />
      </span>
    </p>
  )
}
