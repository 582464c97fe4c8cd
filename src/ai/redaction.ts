/** What was taken out of a text, by kind, and how often. */
export type Redactions = Record<string, number>

export interface Redacted {
  text: string
  redactions: Redactions
}

/** In this order: what is longest and surest first, so that a part of it is not taken for something else. */
const KINDS: readonly { kind: string; pattern: RegExp; isMeant?: (match: string) => boolean }[] = [
  { kind: 'private key', pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g },
  { kind: 'token', pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g },
  {
    kind: 'token',
    pattern:
      /\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|whsec_[\w+/=]{16,})/g,
  },
  { kind: 'token', pattern: /\b(?:bearer|basic)\s+[\w+/=._-]{12,}/gi },
  {
    kind: 'secret',
    pattern:
      /\b(?:pass(?:word|wd|phrase|code)?|pwd|pin|secret|api[ _-]?key|access[ _-]?key|token|credentials?|otp|one[ -]time code)\b\s*(?:is|was|are|[:=]+)\s*["'`]?[^\s"'`,;]{3,}/gi,
  },
  { kind: 'url with credentials', pattern: /\b[a-z][a-z\d+.-]{0,20}:\/\/[^\s/@:]{1,200}:[^\s/@]{1,200}@\S+/gi },
  { kind: 'email', pattern: /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu },
  { kind: 'iban', pattern: /\b[A-Z]{2}\d{2}(?:[ -]?[A-Z\d]{4}){2,7}(?:[ -]?[A-Z\d]{1,4})?\b/gi, isMeant: isIban },
  { kind: 'card', pattern: /\b\d(?:[ -]?\d){12,18}\b/g, isMeant: isCard },
  {
    kind: 'account number',
    pattern:
      /\b(?:account|acct|customer|iban|card|routing|sort[ -]?code|social security|ssn|tax id)\b[ .:#]*(?:(?:no|number|nr|num)\b[ .:#]*)?(?:is\s+)?\d[\d -]{4,30}\d/gi,
  },
  { kind: 'social security number', pattern: /\b\d{3}-\d{2}-\d{4}\b/g },
  { kind: 'phone', pattern: /(?<![\p{L}\p{N}.])\+?\(?\d[\d ()./-]{6,18}\d(?![\p{L}\p{N}])/gu, isMeant: isPhone },
  { kind: 'secret', pattern: /(?<![\w/+=-])(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)[\w+/=-]{24,}(?![\w/+=-])/g },
]

const MARK = (kind: string) => `[${kind}]`

/** A text without what must not leave: addresses, numbers of phones, cards and accounts, secrets, and the names given. */
export function redact(text: string, names: readonly string[] = []): Redacted {
  const redactions: Redactions = {}
  const replace = (from: string, pattern: RegExp, kind: string, isMeant: (match: string) => boolean = () => true): string =>
    from.replace(pattern, (match) => {
      if (!isMeant(match)) return match
      redactions[kind] = (redactions[kind] ?? 0) + 1
      return MARK(kind)
    })
  let left = text
  for (const { kind, pattern, isMeant } of KINDS) left = replace(left, pattern, kind, isMeant)
  for (const name of names.flatMap(partsOf)) left = replace(left, new RegExp(`(?<![\\p{L}\\p{N}])${RegExp.escape(name)}(?![\\p{L}\\p{N}])`, 'giu'), 'name')
  return { text: left, redactions }
}

/** Whether a text holds something that must not leave. */
export function holdsSecrets(text: string): boolean {
  return Object.keys(redact(text).redactions).length > 0
}

/** A whole name before its parts; a part of two letters is as often a word. */
function partsOf(name: string): string[] {
  const whole = name.trim()
  return whole.length < 3 ? [] : [whole, ...whole.split(/\s+/).filter((part) => part.length > 2 && part !== whole)]
}

/** The check digit of a card (Luhn). */
function isCard(match: string): boolean {
  const digits = match.replaceAll(/\D/g, '').split('').map(Number).toReversed()
  const sum = digits.reduce((total, digit, index) => total + (index % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2), 0)
  return sum % 10 === 0
}

/** The check digits of an international account number (ISO 7064, mod 97). */
function isIban(match: string): boolean {
  const compact = match.replaceAll(/[ -]/g, '').toUpperCase()
  if (compact.length < 15 || compact.length > 34) return false
  const digits = (compact.slice(4) + compact.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) => String(Number.parseInt(letter, 36)))
  let rest = 0
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97
  return rest === 1
}

/** Enough digits for a phone, and neither a date, an address of the network nor a version. */
function isPhone(match: string): boolean {
  const digits = match.replaceAll(/\D/g, '').length
  if (digits < 8 || digits > 15) return false
  return !/^\d{4}-\d{2}-\d{2}|^\d{1,2}[./]\d{1,2}[./]\d{2,4}|^\d{1,3}(\.\d{1,3}){3}$/.test(match)
}
