/** Actions whose event has a name of its own: what a follower waits for, however it came about. */
const NAMED: Readonly<Record<string, string>> = {
  'account.lock_out': 'account.locked_out',
  'account.sign_in': 'account.signed_in',
  'ticket.edit': 'ticket.updated',
  'ticket.triage_apply': 'ticket.updated',
  'ticket.accept': 'ticket.status_changed',
  'ticket.status': 'ticket.status_changed',
  'ticket.customer_replied': 'ticket.status_changed',
  'ticket.auto_escalate': 'ticket.escalated',
  'ticket.sla_policy': 'ticket.updated',
  'ticket.sla_raise_priority': 'sla.escalated',
}

/** Things whose name in the audit is longer than followers need. */
const THINGS: Readonly<Record<string, string>> = { kb_article: 'article', kb_category: 'category' }

const IRREGULAR: Readonly<Record<string, string>> = {
  cancel: 'cancelled',
  feedback: 'feedback',
  found: 'found',
  reset: 'reset',
  run: 'run',
  send: 'sent',
  set: 'set',
  submit: 'submitted',
}

/** The type of the event that an audited action is: `ticket.create` is `ticket.created`, `kb_article.publish` is `article.published`. */
export function eventTypeOf(action: string): string {
  const named = NAMED[action]
  if (named) return named
  const [thing = '', verb = ''] = action.split('.', 2)
  // A step of a ticket's clock: `ticket.sla_warn` is `sla.warned`.
  if (thing === 'ticket' && verb.startsWith('sla_')) return `sla.${participle(verb.slice('sla_'.length))}`
  return `${THINGS[thing] ?? thing}.${participle(verb)}`
}

/** Of several words the last one is the verb: `bulk_cancel` is `bulk_cancelled`. */
function participle(words: string): string {
  const [, before = '', verb = ''] = /^(.*_)?(\w*?)$/.exec(words) ?? []
  if (verb.endsWith('ed')) return words
  const past = IRREGULAR[verb] ?? (verb.endsWith('e') ? `${verb}d` : /[^aeiou]y$/.test(verb) ? `${verb.slice(0, -1)}ied` : `${verb}ed`)
  return `${before}${past}`
}

/** What an organisation's work is about: what its staff may follow, and what a webhook gets that asks for everything. */
export const DOMAIN_THINGS: readonly string[] = [
  'ticket',
  'comment',
  'attachment',
  'relation',
  'triage',
  'suggestion',
  'sla',
  'article',
  'category',
  'service',
  'canned_response',
]

export const thingOf = (type: string): string => type.split('.', 1)[0]!

/** Whether an event of this type is asked for by `ticket.created`, `ticket.*` or `*` (the organisation's work); an empty list asks for `*`. */
export function isWanted(type: string, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return DOMAIN_THINGS.includes(thingOf(type))
  return patterns.some((pattern) =>
    pattern === '*' ? DOMAIN_THINGS.includes(thingOf(type)) : pattern === type || (pattern.endsWith('.*') && thingOf(type) === thingOf(pattern)),
  )
}
