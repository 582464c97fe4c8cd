import assert from 'node:assert/strict'
import { test } from 'node:test'
import { languageOf, searchTerms } from '#kb/language.ts'
import { SearchIndex } from '#kb/search-index.ts'

/** An article of each language, a question that uses other forms of its words, and a text of the same language about something else. */
const CASES = [
  {
    language: 'eng',
    article: 'Printers print nothing when the printing queue is stuck. Restart the queue and send the pages again.',
    question: 'printed pages stuck in queues',
    other: 'The offices are closed on holidays, and the porter has all of the keys for these days.',
  },
  {
    language: 'deu',
    article: 'Wenn die Drucker nicht drucken, dann ist die Warteschlange voll. Löschen Sie die Aufträge und starten Sie das Gerät neu.',
    question: 'Auftrag löscht sich nicht aus den Warteschlangen',
    other: 'Die Büros sind an den Feiertagen geschlossen, und der Pförtner hat für diese Tage alle Schlüssel.',
  },
  {
    language: 'fra',
    article: "Quand les imprimantes ne marchent pas, la file est pleine. Supprimez les travaux et redémarrez l'appareil pour que cela marche.",
    question: 'supprimer un travail de la file',
    other: 'Les bureaux sont fermés pendant les jours de fête, et le gardien a toutes les clés pour ces jours.',
  },
  {
    language: 'spa',
    article: 'Cuando las impresoras no imprimen, la cola está llena. Borre los trabajos y reinicie el equipo para que funcione otra vez.',
    question: 'borrar trabajo de las colas',
    other: 'Las oficinas están cerradas en los días de fiesta, y el portero tiene todas las llaves para estos días.',
  },
  {
    language: 'ita',
    article: 'Quando le stampanti non stampano, la coda è piena. Cancellate i lavori e riavviate il dispositivo perché tutto torni come prima.',
    question: 'cancellare un lavoro dalle code',
    other: 'Gli uffici sono chiusi nei giorni di festa, e il custode ha tutte le chiavi per questi giorni.',
  },
  {
    language: 'nld',
    article: 'Als de printers niet afdrukken, dan is de wachtrij vol. Verwijder de opdrachten en start het apparaat opnieuw op.',
    question: 'opdracht verwijderen uit wachtrijen',
    other: 'De kantoren zijn op feestdagen gesloten, en de portier heeft voor deze dagen alle sleutels van het gebouw.',
  },
  {
    language: 'por',
    article: 'Quando as impressoras não imprimem, a fila está cheia. Apague os trabalhos e reinicie o aparelho para que tudo volte ao normal.',
    question: 'apagar trabalho das filas',
    other: 'Os escritórios estão fechados nos dias de festa, e o porteiro tem todas as chaves para estes dias.',
  },
] as const

test('a text is read in the language that it is written in; logs and short texts are read as English', () => {
  for (const { language, article, other } of CASES) assert.deepEqual([languageOf(article), languageOf(other)], [language, language])
  assert.equal(languageOf('Drucker'), 'eng')
  assert.equal(languageOf('java.lang.NullPointerException at org.apache.hadoop.hdfs.DFSClient.read(DFSClient.java:1204)'), 'eng')
})

test('forms of a word have one stem in its own language, on both sides of a search', () => {
  for (const { language, article, question } of CASES) {
    const article_terms = new Set(searchTerms(article, language))
    assert.ok(searchTerms(question, language).filter((term) => article_terms.has(term)).length >= 2, language)
  }
})

test('in an index of all languages each question finds the article of its own', async () => {
  const index = await SearchIndex.learn(
    CASES.flatMap(({ language, article, other }) => [
      { title: '', text: article, item: language },
      { title: '', text: other, item: `${language} other` },
    ]),
  )
  for (const { language, question } of CASES) assert.equal(index.search(question, 1)[0]?.item, language, question)
})
