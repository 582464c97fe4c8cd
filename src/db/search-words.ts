import { sql } from './sql.ts'

/** The languages in which articles and solved tickets are stemmed (`text_language` in the database says which one a text's is), by PostgreSQL's names. */
const LANGUAGES = ['english', 'german', 'french', 'spanish', 'italian', 'dutch', 'portuguese'] as const

/** All of the languages, as rows of `language`. */
export const anyLanguage = sql.fragment`unnest(${sql.array([...LANGUAGES], 'text')}) language`

/** English and those that documents of the bound organisation are written in: no word is looked for in vain in the others. */
export const indexedLanguages = sql.fragment`(
  select language from ${anyLanguage}
   where language = 'english' or exists (
     select from rag_documents known where known.organization_id = bound_organization() and known.language = language.language)) language`

const EXCLUDED = /(?<=^|\s)-("[^"]*"|\S+)/g

/**
 * What somebody asks as one writes it to a search engine, in each of these languages; empty where no word is left. What is
 * to be missing must be so in all of them: a word that one language stems otherwise would let it in.
 */
export function asked(words: string, languages: ReturnType<typeof sql.fragment>) {
  const missing = [...words.matchAll(EXCLUDED)].map(([, each]) => each!)
  const wanted = inAny(words.replaceAll(EXCLUDED, ' '), languages)
  return missing.length === 0 ? wanted : sql.fragment`(${wanted} && !! ${inAny(missing.join(' or '), languages)})`
}

const inAny = (words: string, languages: ReturnType<typeof sql.fragment>) => sql.fragment`(
  select coalesce(string_agg(distinct '(' || query || ')', ' | '), '')::tsquery
    from (select websearch_to_tsquery(language::regconfig, ${words})::text as query from ${languages}) read where query <> '')`

/** The same where any of the words will do. */
export const askedLoosely = (words: string, languages: ReturnType<typeof sql.fragment>) => sql.fragment`(
  select coalesce(string_agg(distinct query, ' | '), '')::tsquery
    from (select replace(plainto_tsquery(language::regconfig, ${words})::text, ' & ', ' | ') as query from ${languages}) read where query <> '')`
