/** Beyond this a text is not looked at: nobody hides an order where no model reads either. */
const MAX_CHARS = 20_000
const SHOWN_CHARS = 200

/**
 * What an order to a machine looks like, in a text that should be a customer's request. Each names somebody's instructions,
 * a role, a secret to be told, or a field of the desk to be set: words that a plain request has no use for.
 */
const ORDERS: readonly { kind: string; pattern: RegExp }[] = [
  {
    kind: 'overrides instructions',
    pattern:
      /\b(ignore|disregard|forget|override|bypass|do not follow)\b.{0,40}\b(your|all|any|previous|prior|above|earlier|system|the)\b.{0,30}\b(instruction|prompt|rule|guideline|directive|training|guardrail)s?\b/is,
  },
  { kind: 'gives new instructions', pattern: /\b(new|updated|real|following)\s+(system\s+)?(instructions?|prompts?|directives?)\s*(are|is|:)/i },
  {
    kind: 'assumes a role',
    pattern:
      /\b(you are (now|no longer)|act as|pretend (to be|you are)|from now on,? you)\b.{0,60}\b(assistant|admin|administrator|root|dan|developer mode|unrestricted|system|ai|model|bot)\b/is,
  },
  {
    kind: 'imitates a system message',
    pattern: /<\/?\s*(system|assistant|instructions?|im_start|im_end)\b[^>]{0,40}>|<\|[a-z_]{3,20}\|>|^\s*(system|assistant)\s*(prompt|message)?\s*:/im,
  },
  {
    kind: 'asks for secrets',
    pattern:
      /\b(reply|respond|answer|tell|send|give|print|show|reveal|output|repeat|leak|write|include)\b.{0,60}\b(admin(istrator)?('s)?|root|system|api|your|database|all|secret|internal)\s+(user\s+)?(passwords?|credentials?|keys?|tokens?|prompt|instructions?)\b/is,
  },
  {
    kind: 'sets a field of the desk',
    pattern:
      /\b(set|change|mark|escalate|assign|raise|update)\b.{0,30}\b(priority|category|status|assignee|tags?|sla)\b.{0,30}\b(to|as|=|:)?\s*(urgent|high|critical|low|medium|closed|resolved|p[0-4])\b/is,
  },
  { kind: 'asks to run something', pattern: /\b(execute|run|call|invoke)\b.{0,20}\b(the following|this)\b.{0,20}\b(command|code|sql|tool|function|query)\b/is },
]

/** Alone these are what customers ask for ("please set the priority to high"): they count beside another kind, or where a machine is addressed. */
const COMMON = new Set(['sets a field of the desk', 'asks to run something', 'asks for secrets', 'assumes a role', 'gives new instructions'])
const ADDRESSES_MACHINE = /\b(ai|llm|language model|chat ?gpt|gpt|assistant|bot|prompt|as an ai|automated (system|agent)|triage (system|model|bot))\b/i

/** An order to a machine that was found in a text, and the words. */
export interface Order {
  kind: string
  words: string
}

/** What in a text speaks to a machine rather than to the people of the desk; empty for a plain request. */
export function ordersIn(text: string): Order[] {
  const read = plain(text)
  const found = ORDERS.flatMap(({ kind, pattern }) => {
    const match = pattern.exec(read)
    return match ? [{ kind, words: match[0].trim().slice(0, SHOWN_CHARS).toWellFormed() }] : []
  })
  const isMeant = found.length > 1 || found.some(({ kind }) => !COMMON.has(kind)) || ADDRESSES_MACHINE.test(read)
  return isMeant ? found : []
}

/** The text without the sentences that hold orders: what is left is the request, if there is one. */
export function withoutOrders(text: string): string {
  if (ordersIn(text).length === 0) return text
  const left = text
    .split(/(?<=[.!?\n])/)
    .filter((sentence) => !ORDERS.some(({ pattern }) => pattern.test(plain(sentence))))
    .join('')
  // An order over several lines is in none of its sentences.
  return ordersIn(left).length === 0 ? left : ORDERS.reduce((rest, { pattern }) => rest.replace(new RegExp(pattern, `${pattern.flags}g`), ' '), plain(left))
}

/** Compatibility forms folded, what does not show taken out, and space of any length made one: an order hides behind none, and no pattern reads one twice. */
function plain(text: string): string {
  return text
    .slice(0, MAX_CHARS)
    .normalize('NFKC')
    .replaceAll(/[\p{Cf}\u00AD]/gu, '')
    .replaceAll(/[^\S\n]+/g, ' ')
    .replaceAll(/ ?\n[ \n]*/g, '\n')
}
