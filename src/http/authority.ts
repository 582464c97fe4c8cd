import type { Role } from '#db/users.ts'
import { withOldPaths } from './old-paths.ts'

const CUSTOMERS = ['customer_user', 'customer_admin'] as const
const STAFF = ['agent', 'manager', 'admin'] as const
const TENANTS = [...CUSTOMERS, ...STAFF] as const
const EVERYBODY = [...TENANTS, 'operator'] as const
const KEEPERS = ['manager', 'admin'] as const
const JOB_READERS = ['manager', 'admin', 'operator'] as const
const JOB_MOVERS = ['admin', 'operator'] as const

/** Who may use a route: these roles, or anyone without signing in. */
export type Rule = readonly Role[] | 'anyone'

/** Role by route, as lists of what is allowed. A route that is not here is not served: the server refuses to start with it. */
export const AUTHORITY: Readonly<Record<string, Rule>> = withOldPaths<Rule>({
  'GET /health': 'anyone',
  'GET /api/v1/health': 'anyone',
  'GET /livez': 'anyone',
  'GET /readyz': 'anyone',
  // Open to this machine, else by a token of its own: see routes/metrics.ts.
  'GET /metrics': 'anyone',
  'GET /api/v1/metrics': 'anyone',
  'GET /api/v1/openapi.json': 'anyone',

  'POST /api/v1/auth/login': 'anyone',
  'POST /api/v1/auth/refresh': 'anyone',
  'POST /api/v1/auth/logout': 'anyone',
  'GET /api/v1/auth/me': EVERYBODY,
  'POST /api/v1/auth/register': 'anyone',
  'POST /api/v1/auth/verify-email': 'anyone',
  'POST /api/v1/auth/resend-verification': 'anyone',
  'POST /api/v1/auth/forgot-password': 'anyone',
  'POST /api/v1/auth/reset-password': 'anyone',
  'POST /api/v1/auth/password': EVERYBODY,
  'GET /api/v1/auth/registration': STAFF,
  'PATCH /api/v1/auth/registration': ['admin'],
  'GET /api/v1/auth/2fa/status': EVERYBODY,
  'POST /api/v1/auth/2fa/enable': EVERYBODY,
  'POST /api/v1/auth/2fa/verify': EVERYBODY,
  'POST /api/v1/auth/2fa/disable': EVERYBODY,
  'GET /api/v1/auth/2fa/org-policy': STAFF,
  'PUT /api/v1/auth/2fa/org-policy': ['admin'],
  'PATCH /api/v1/auth/2fa/org-policy': ['admin'],
  'GET /api/v1/auth/tokens': EVERYBODY,
  'POST /api/v1/auth/tokens': EVERYBODY,
  'DELETE /api/v1/auth/tokens': EVERYBODY,
  'DELETE /api/v1/auth/tokens/:id': EVERYBODY,
  'GET /api/v1/mailbox': ['admin', 'operator'],

  'GET /api/v1/tickets': TENANTS,
  'POST /api/v1/tickets': TENANTS,
  'POST /api/v1/tickets/bulk': STAFF,
  'GET /api/v1/views': STAFF,
  'POST /api/v1/views': STAFF,
  'GET /api/v1/views/:id': STAFF,
  'PATCH /api/v1/views/:id': STAFF,
  'DELETE /api/v1/views/:id': STAFF,
  'GET /api/v1/search': TENANTS,
  'GET /api/v1/tickets/:id': TENANTS,
  'PATCH /api/v1/tickets/:id': STAFF,
  'POST /api/v1/tickets/:id/accept': STAFF,
  'POST /api/v1/tickets/:id/assign': STAFF,
  'POST /api/v1/tickets/:id/status': STAFF,
  'GET /api/v1/tickets/:id/history': TENANTS,
  'GET /api/v1/tickets/:id/digest': STAFF,
  'GET /api/v1/tickets/:id/comments': TENANTS,
  'POST /api/v1/tickets/:id/comments': TENANTS,
  'PUT /api/v1/tickets/:id/presence': STAFF,
  'DELETE /api/v1/tickets/:id/presence': STAFF,
  'GET /api/v1/tickets/:id/attachments': TENANTS,
  'POST /api/v1/tickets/:id/attachments': TENANTS,
  'GET /api/v1/attachments/:id': TENANTS,
  'GET /api/v1/attachments/:id/download': TENANTS,
  'DELETE /api/v1/attachments/:id': STAFF,
  'GET /api/v1/tickets/:id/triage': STAFF,
  'POST /api/v1/tickets/:id/triage/run': STAFF,
  'POST /api/v1/tickets/:id/triage/apply': STAFF,
  'POST /api/v1/tickets/:id/triage/reject': STAFF,
  'GET /api/v1/tickets/:id/suggestions': STAFF,
  'GET /api/v1/tickets/:id/kb-suggestions': TENANTS,

  'GET /api/v1/tickets/:id/sla': TENANTS,
  'GET /api/v1/ai/sla/predictions': STAFF,
  'POST /api/v1/sla/simulate': [...STAFF, 'operator'],
  'GET /api/v1/sla/calendars': STAFF,
  'POST /api/v1/sla/calendars': KEEPERS,
  'GET /api/v1/sla/calendars/:id': STAFF,
  'PATCH /api/v1/sla/calendars/:id': KEEPERS,
  'DELETE /api/v1/sla/calendars/:id': KEEPERS,
  'POST /api/v1/sla/calendars/:id/preview': KEEPERS,
  'GET /api/v1/sla/policies': STAFF,
  'POST /api/v1/sla/policies': KEEPERS,
  'GET /api/v1/sla/policies/:id': STAFF,
  'PATCH /api/v1/sla/policies/:id': KEEPERS,
  'DELETE /api/v1/sla/policies/:id': KEEPERS,
  'POST /api/v1/sla/policies/:id/preview': KEEPERS,

  'GET /api/v1/kb/categories': TENANTS,
  'POST /api/v1/kb/categories': KEEPERS,
  'GET /api/v1/kb/categories/:id': TENANTS,
  'PATCH /api/v1/kb/categories/:id': KEEPERS,
  'DELETE /api/v1/kb/categories/:id': KEEPERS,
  'GET /api/v1/kb/articles': TENANTS,
  'POST /api/v1/kb/articles': STAFF,
  'GET /api/v1/kb/articles/:id': TENANTS,
  'PATCH /api/v1/kb/articles/:id': STAFF,
  'DELETE /api/v1/kb/articles/:id': KEEPERS,
  'GET /api/v1/kb/articles/:id/versions': STAFF,
  'GET /api/v1/kb/articles/:id/versions/:version': STAFF,
  'POST /api/v1/kb/articles/:id/publish': STAFF,
  'POST /api/v1/kb/articles/:id/unpublish': STAFF,
  'POST /api/v1/kb/suggestions/vote': TENANTS,

  'GET /api/v1/settings': STAFF,
  'PATCH /api/v1/settings': ['admin'],
  'GET /api/v1/organization': TENANTS,
  'PATCH /api/v1/organization': ['admin'],
  'GET /api/v1/organizations': ['operator'],
  'POST /api/v1/organizations': ['operator'],
  'GET /api/v1/users': STAFF,
  'POST /api/v1/users': ['admin'],
  'GET /api/v1/users/:id': STAFF,
  'PATCH /api/v1/users/:id': ['admin'],
  'DELETE /api/v1/users/:id': ['admin'],
  'DELETE /api/v1/users/:id/2fa': ['admin'],
  'GET /api/v1/events': EVERYBODY,
  'GET /api/v1/audit': ['admin', 'operator'],
  'GET /api/v1/audit/export': ['admin', 'operator'],

  'GET /api/v1/jobs': JOB_READERS,
  'POST /api/v1/jobs': JOB_MOVERS,
  'POST /api/v1/jobs/batch': JOB_MOVERS,
  'POST /api/v1/jobs/bulk': JOB_MOVERS,
  'GET /api/v1/jobs/:id': JOB_READERS,
  'GET /api/v1/jobs/:id/events': JOB_READERS,
  'GET /api/v1/jobs/:id/replay': JOB_READERS,
  'POST /api/v1/jobs/:id/retry': JOB_MOVERS,
  'POST /api/v1/jobs/:id/cancel': JOB_MOVERS,
  'GET /api/v1/machines': JOB_READERS,
  'GET /api/v1/queues': JOB_READERS,
  'PATCH /api/v1/queues/:name': ['operator'],
  'POST /api/v1/queues/:name/pause': ['operator'],
  'POST /api/v1/queues/:name/resume': ['operator'],
  'GET /api/v1/workers': JOB_READERS,
  'GET /api/v1/schedules': JOB_READERS,
  'POST /api/v1/schedules/:name/run': ['operator'],
  'GET /api/v1/machines/:name/flow': JOB_READERS,
  'GET /api/v1/machines/job/paths': JOB_READERS,
  'GET /api/v1/machines/job/movers': JOB_READERS,
  'GET /api/v1/queues/history': JOB_READERS,
  'GET /api/v1/dead-letters': JOB_READERS,
  'GET /api/v1/database/health': ['operator'],
})

/** Pages and their files, for anyone: they hold no data of their own. */
const OPEN_PAGES = /^\/(docs|console|desk)(\/|$)|^\/$/

/** Who may use a route, or undefined where nobody said so. HEAD goes with GET. */
export function ruleOf(method: string, pattern: string): Rule | undefined {
  const verb = method === 'HEAD' ? 'GET' : method
  if (verb === 'GET' && OPEN_PAGES.test(pattern)) return 'anyone'
  return AUTHORITY[`${verb} ${pattern}`]
}
