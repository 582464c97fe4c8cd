import { stopwords as germanWords } from '@orama/stopwords/german'
import { stopwords as frenchWords } from '@orama/stopwords/french'
import { stopwords as spanishWords } from '@orama/stopwords/spanish'
import { stopwords as italianWords } from '@orama/stopwords/italian'
import { stopwords as dutchWords } from '@orama/stopwords/dutch'
import { stopwords as portugueseWords } from '@orama/stopwords/portuguese'
import { stemmer as german } from '@orama/stemmers/german'
import { stemmer as french } from '@orama/stemmers/french'
import { stemmer as spanish } from '@orama/stemmers/spanish'
import { stemmer as italian } from '@orama/stemmers/italian'
import { stemmer as dutch } from '@orama/stemmers/dutch'
import { stemmer as portuguese } from '@orama/stemmers/portuguese'
import { franc } from 'franc-min'
import { stemmer as english } from 'stemmer'
import { wordsOf } from '#ai/features.ts'

export type Language = 'eng' | 'deu' | 'fra' | 'spa' | 'ita' | 'nld' | 'por'

/** What a text is most likely written in where too little of it says so. */
export const USUAL: Language = 'eng'
/** So much of a text tells its language; of less than the first, its letters tell nothing. */
const [TELLING_CHARS, READ_CHARS] = [40, 2_000]

/** Words that every English text has; with stemming, leaving them out is worth 1 to 7 points of ranking quality. */
const ENGLISH = new Set(
  `a about after again all also am an and any are as at be because been before being between both but by can could did do does doing down during each few for from
  further had has have having he hello help her here hers hi him his how i if in into is it its just me more most my no nor not now of off on once only or other our ours
  out over own please same she should so some such than thank thanks that the their theirs them then there these they this those through to too under until up very was
  we were what when where which while who whom why will with would you your yours`.split(/\s+/),
)

const LANGUAGES: Readonly<Record<Language, { stem: (word: string) => string; stopWords: ReadonlySet<string> }>> = {
  eng: { stem: english, stopWords: ENGLISH },
  deu: { stem: german, stopWords: new Set(germanWords) },
  fra: { stem: french, stopWords: new Set(frenchWords) },
  spa: { stem: spanish, stopWords: new Set(spanishWords) },
  ita: { stem: italian, stopWords: new Set(italianWords) },
  nld: { stem: dutch, stopWords: new Set(dutchWords) },
  por: { stem: portuguese, stopWords: new Set(portugueseWords) },
}
const KNOWN = Object.keys(LANGUAGES) as Language[]

/**
 * What a text is written in: what its letters say (trigrams), where its small words say so too; logs and product names look
 * like any language, and have none of its small words.
 */
export function languageOf(text: string): Language {
  const read = text.slice(0, READ_CHARS)
  if (read.length < TELLING_CHARS) return USUAL
  const found = franc(read, { only: KNOWN, minLength: TELLING_CHARS }) as Language | 'und'
  if (found === 'und' || found === USUAL) return USUAL
  const words = wordsOf(read)
  const small = (language: Language): number => words.filter((word) => LANGUAGES[language].stopWords.has(word)).length
  return small(found) > small(USUAL) ? found : USUAL
}

/** The words of a text that carry meaning in a language. */
export function contentWords(text: string, language: Language = USUAL): string[] {
  const { stopWords } = LANGUAGES[language]
  return wordsOf(text).filter((word) => !stopWords.has(word))
}

/** What a search compares of a text in a language: stems, which are another language's only where they say so. */
export function searchTerms(text: string, language: Language = USUAL): string[] {
  const { stem } = LANGUAGES[language]
  return contentWords(text, language).map((word) => (language === USUAL ? stem(word) : `${language} ${stem(word)}`))
}
