/**
 * The formulas of politeness of English letters, which is the only language that the lexicon reads: how one greets, asks,
 * thanks beforehand and signs says nothing of a mood, whatever a lexicon thinks of "good" and "thank".
 */
const ANYWHERE: readonly RegExp[] = [
  /\b(?:(?:with|my|our|the) ){0,2}(?:best|kind|warm|kindest|warmest|many) (?:regards|wishes|thanks)\b/giu,
  /\b(?:thank(?:s| you)|thanking you) in (?:advance|anticipation)\b/giu,
  /\bgood (?:morning|afternoon|evening|day)\b/giu,
  /\bhave an? (?:good|great|nice|lovely|wonderful|pleasant) (?:rest of (?:the|your) )?(?:day|week|weekend|evening|afternoon|one)\b/giu,
  /\bhope (?:this|that|my)?\s*(?:e-?mail |message |note )?(?:finds you|you(?: are|'re)?(?: all)?(?: doing)?) (?:well|fine|good)\b/giu,
  /\bhappy (?:new year|holidays|friday|monday)\b|\bmerry christmas\b/giu,
  /^(?:(?:all the )?best|cheers|warmly)[,.!]?[ \r]?$/gimu,
  /\b(?:yours )?(?:sincerely|faithfully)(?: yours)?\b/giu,
  /\b(?:do not|don't|dont) hesitate to\b|\bfeel free to\b/giu,
  /\b(?:sorry|apologies|apologi[sz]e) (?:to (?:bother|trouble|disturb)|for (?:the|any|this) (?:inconvenience|trouble|bother))(?: you)?(?: caused)?\b/giu,
  /\b(?:understanding|cooperation|patience) (?:is|are|will be) (?:much |greatly |highly )?appreciated\b/giu,
]
const SALUTATION = /^\s*(?:re:?\s+)*(?:hi|hello|dear|greetings)\b/iu
/** Words and what lies between them share no character: a regular expression that may divide a word in many ways takes minutes for a hostile one. */
const CLOSING =
  /\b(?:thanks|thank you|thank|regards|cheers|best(?=,))\b(?: in advance| and| so much| very much| for your (?:help|support|assistance|time))?[,.!\s]*(?:\p{L}[\p{L}.,'-]*(?:[\s!]+|$)){0,6}$/iu
const SARCASM = /\bthank(?:s| you) for nothing\b/giu
/** A shorter text may be nothing but its thanks. */
const CLOSING_AFTER_WORDS = 8

/** Who has asked for something thanks for what is not done yet; thanks before the asking, and warmer ones, are meant. */
const ASKING = /\b(?:please|kindly|(?:can|could|would|will) (?:you|somebody|someone|anyone|anybody))\b/iu
/** And so does who tells in a letter what is needed or amiss. */
const LETTER = /\b(?:hi|hello|dear|greetings|good (?:morning|afternoon|evening|day))\b/iu
const TELLING = /\b(?:needs?|requires?|required|requests?|(?:would|'d) like|unable|cannot|can't|not (?:able|working)|doesn't|issue|problem|error|attached)\b/iu
const BEFOREHAND =
  /\b(?:many |much )?(?:thanks|thank you|thank|thx|cheers)\b(?! (?:you )?(?:so|very|really) much\b| (?:you )?for (?!(?:your|the|any|all)(?: your| the)?(?: kind)? (?:help|support|assistance|understanding|cooperation|time|attention)\b))|\b(?:would|will|be|is|much|greatly|highly|really) (?:be )?(?:much |greatly |highly )?(?:appreciat(?:e|ed)|grateful|obliged)\b/giu

/** The text without its formulas. "Thanks for nothing" is none of them. */
export function withoutManners(text: string): string {
  const end = text.indexOf('\n')
  // The first line may be a subject that repeats the text.
  const said = end < 0 ? plain(text) : `${plain(text.slice(0, end))}\n${plain(text.slice(end))}`
  const asks = [ASKING, ...(LETTER.test(text) ? [TELLING] : [])].map((sign) => said.search(sign)).filter((at) => at >= 0)
  if (asks.length === 0) return said
  const asked = Math.min(...asks)
  return said.slice(0, asked) + said.slice(asked).replaceAll(BEFOREHAND, ' ')
}

function plain(text: string): string {
  const spoken = text.replaceAll(SARCASM, ' awful ').replace(SALUTATION, ' ')
  const body = ANYWHERE.reduce((rest, formula) => rest.replaceAll(formula, ' '), spoken)
  const said = body.replace(CLOSING, ' ')
  return said.trim().split(/\s+/).length >= CLOSING_AFTER_WORDS ? said : body
}
