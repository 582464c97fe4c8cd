import { jobTypes } from '#jobs/registry.ts'
import type { Role } from '#db/users.ts'
import { refusal } from './refusal.ts'

/** The kinds of job that a role may enqueue by hand. An admin's work within the organisation: nothing that reaches others in the installation's name. */
const MAY_ENQUEUE: Readonly<Partial<Record<Role, readonly string[]>>> = {
  operator: [...jobTypes.keys()],
  admin: [
    'PROBE',
    'TRIAGE_TICKET',
    'KB_SUGGEST',
    'SMART_REPLY',
    'SENTIMENT_ANALYSIS',
    'SLA_PREDICT',
    'SLA_CHECK',
    'METRICS_SNAPSHOT',
    'RAG_INDEX',
    'TRAIN_MODEL',
  ],
}

/** What an admin does instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  SEND_EMAIL: 'Mails are sent by what they tell of: replies, rules, invitations. One that failed is sent again by POST /api/v1/jobs/{id}/retry.',
  DELIVER_WEBHOOK: 'A delivery is sent again by POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/replay.',
  CLEANUP: 'It runs each hour by itself.',
}

/** @throws a refusal that says what else does it, where the role may not enqueue jobs of this type by hand */
export function requireMayEnqueue(role: Role, type: string): void {
  if (MAY_ENQUEUE[role]?.includes(type)) return
  throw refusal(403, [`Only an operator may enqueue ${type}.`, INSTEAD[type]].filter(Boolean).join(' '))
}
