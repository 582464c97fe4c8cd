/** A body that a client may send as it stands, and what it is for. */
interface Example {
  summary: string
  value: unknown
}

const ARTICLE = { title: 'Connect a new till', content: 'Plug it in, wait for the green light, then choose Pair in the menu.', is_published: true }
const CALENDAR = {
  tz: 'Europe/Berlin',
  week: { mon: [['09:00', '17:00']], tue: [['09:00', '17:00']] },
  holidays: ['2026-12-25'],
  special: { '2026-12-24': [['09:00', '12:00']] },
}
const NETWORK = { field: 'subject', op: 'contains', value: 'network' }

/** Examples by route, as the table of authority names it. A test sends each of them. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  'POST /api/v1/auth/login': [
    { summary: 'With a password', value: { email: 'ada@brewline.example', password: 'three green bottles' } },
    {
      summary: 'Where the address has accounts in several organisations',
      value: { email: 'ada@brewline.example', password: 'three green bottles', organization: 'brewline' },
    },
  ],
  'POST /api/v1/auth/register': [
    {
      summary: 'A customer asks for an account',
      value: { email: 'kim@example.com', password: 'seven wooden spoons', full_name: 'Kim Novak', organization: 'brewline' },
    },
  ],
  'POST /api/v1/auth/forgot-password': [{ summary: 'By address', value: { email: 'ada@brewline.example' } }],
  'POST /api/v1/auth/resend-verification': [{ summary: 'By address', value: { email: 'kim@example.com' } }],
  'PATCH /api/v1/auth/registration': [{ summary: 'Only admins make accounts', value: { enabled: false } }],
  'PUT /api/v1/auth/2fa/org-policy': [{ summary: 'Of agents and managers', value: { required_roles: ['agent', 'manager'] } }],
  'POST /api/v1/auth/tokens': [
    { summary: 'For an import, until the end of a year', value: { name: 'import', scopes: ['tickets:write'], expires_at: '2099-12-31T23:59:59Z' } },
    { summary: 'Reads everything that its owner may read', value: { name: 'reporting', scopes: ['read'] } },
  ],
  'PATCH /api/v1/settings': [{ summary: 'Priorities are set by the model', value: { ai_priority_mode: 'apply' } }],
  'PATCH /api/v1/organization': [{ summary: 'Another name', value: { name: 'Brewline Coffee Leasing' } }],
  'POST /api/v1/organizations': [
    {
      summary: 'With its first admin',
      value: { slug: 'roastery', name: 'The Roastery', admin: { email: 'jun@roastery.example', full_name: 'Jun Tanaka', password: 'nine quiet rivers' } },
    },
  ],
  'POST /api/v1/users': [
    { summary: 'Invited by mail', value: { email: 'tomas@brewline.example', full_name: 'Tomás Pereira', role: 'agent' } },
    { summary: 'With a password', value: { email: 'noor@brewline.example', full_name: 'Noor Haddad', role: 'customer_user', password: 'nine quiet rivers' } },
  ],
  'PATCH /api/v1/users/:id': [{ summary: 'Another name', value: { full_name: 'Tomás A. Pereira' } }],
  'POST /api/v1/tickets': [
    {
      summary: 'Subject and description are enough',
      value: { subject: 'No network at the counter', description: 'Since this morning the till cannot reach the network.' },
    },
    {
      summary: 'With a priority and tags',
      value: { subject: 'The machine leaks', description: 'Water under the machine in the back.', priority: 'high', tags: ['machine', 'site-12'] },
    },
  ],
  'PATCH /api/v1/tickets/:id': [{ summary: 'More urgent', value: { priority: 'urgent', tags: ['network'] } }],
  'POST /api/v1/tickets/:id/status': [{ summary: 'Accept: the SLA starts', value: { status: 'accepted' } }],
  'POST /api/v1/tickets/:id/comments': [
    { summary: 'An answer', value: { content: 'Please restart the router and tell us what its lights show.' } },
    { summary: 'A note among staff', value: { content: 'Third time this week at this site.', is_internal: true } },
  ],
  'POST /api/v1/tickets/:id/tags': [{ summary: 'Add tags', value: { tags: ['network', 'router'] } }],
  'PUT /api/v1/tickets/:id/presence': [{ summary: 'Somebody writes an answer', value: { is_writing: true } }],
  'POST /api/v1/tickets/bulk': [
    {
      summary: 'See first what would change',
      value: { filter: { all: [{ field: 'status', op: 'eq', value: 'new' }, NETWORK] }, changes: { priority: 'high' }, dry_run: true },
    },
  ],
  'POST /api/v1/views': [{ summary: 'What is about the network', value: { name: 'Network', condition: NETWORK, sort: '-number', shared_with: ['agent'] } }],
  'POST /api/v1/job-views': [{ summary: 'Dead letters of a queue', value: { name: 'Dead mails', query: 'queue=mail&status=failed', is_shared: true } }],
  'POST /api/v1/services': [
    { summary: 'A category of tickets', value: { name: 'Payment terminals', description: 'Tills and card readers', default_priority: 'high' } },
  ],
  'POST /api/v1/groups': [{ summary: 'Tickets in turn', value: { name: 'First line', strategy: 'round_robin', max_open: 20 } }],
  'POST /api/v1/rules': [
    {
      summary: 'What is about the network is tagged and urgent',
      value: {
        name: 'Network first',
        events: ['created'],
        condition: NETWORK,
        actions: [
          { type: 'add_tags', tags: ['network'] },
          { type: 'set_priority', priority: 'urgent' },
        ],
      },
    },
  ],
  'POST /api/v1/rules/simulate': [{ summary: 'What a rule would do', value: { condition: NETWORK, actions: [{ type: 'add_tags', tags: ['network'] }] } }],
  'POST /api/v1/canned-responses': [{ summary: 'With a placeholder', value: { name: 'Received', content: 'Hello {{requester.name}}, we are on it.' } }],
  'POST /api/v1/ai/classify': [{ summary: 'A text that is no ticket yet', value: { text: 'The till cannot reach the network since this morning.' } }],
  'POST /api/v1/sla/calendars': [{ summary: 'Office hours in Berlin', value: { name: 'Berlin', definition: CALENDAR } }],
  'POST /api/v1/sla/policies': [
    {
      summary: 'Around the clock',
      value: {
        name: 'Premium',
        first_response_minutes: { low: 240, medium: 120, high: 60, urgent: 15 },
        resolution_minutes: { low: 2_880, medium: 1_440, high: 480, urgent: 240 },
      },
    },
  ],
  'POST /api/v1/sla/simulate': [
    {
      summary: 'Eight hours of business time from a Monday afternoon, paused for an hour',
      value: {
        calendar: CALENDAR,
        start: '2026-11-30T15:00:00+01:00',
        target_minutes: 480,
        end: '2026-12-01T12:00:00+01:00',
        pauses: [{ from: '2026-11-30T16:00:00+01:00', to: '2026-11-30T17:00:00+01:00' }],
        warn_percent: [50, 75],
      },
    },
  ],
  'POST /api/v1/kb/categories': [{ summary: 'For customers', value: { name: 'First steps', description: 'What to do on the first day', position: 1 } }],
  'POST /api/v1/kb/articles': [{ summary: 'Published at once', value: ARTICLE }],
  'PATCH /api/v1/kb/articles/:id': [{ summary: 'Another text', value: { content: 'Plug it in, then hold the button for five seconds.' } }],
  'POST /api/v1/kb/articles/:id/feedback': [{ summary: 'It helped', value: { is_helpful: true } }],
  'POST /api/v1/jobs': [
    { summary: 'A test job', value: { job_type: 'PROBE', payload: { sleep_ms: 10, marker: 'hello' } } },
    { summary: 'A hundred that fail twice each', value: { job_type: 'PROBE', count: 100, payload: { fail_times: 2 } } },
  ],
  'POST /api/v1/jobs/batch': [
    {
      summary: 'Two jobs at once',
      value: {
        jobs: [
          { job_type: 'PROBE', payload: { sleep_ms: 10 } },
          { job_type: 'PROBE', payload: { sleep_ms: 20 } },
        ],
      },
    },
  ],
  'POST /api/v1/jobs/bulk': [{ summary: 'See first how many', value: { action: 'cancel', filter: { job_type: 'PROBE', status: 'queued' }, dry_run: true } }],
  'PATCH /api/v1/queues/:name': [{ summary: 'A hundred a minute', value: { rate_limit: 100, rate_period_seconds: 60 } }],
}
