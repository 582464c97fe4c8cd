import { createHash } from 'node:crypto'
import { Refusal } from './failure.ts'
import { csvRecords, openFile } from './table-files.ts'

const SUBJECT_CHARS = 120

/** A row of the file; the first one behind the header is number 1. */
export interface SeedRow {
  number: number
  text: string
  label: string
}

/** The file's content hash, and how many rows it has: one pass before the one that sends them. */
export async function surveyFile(file: string): Promise<{ sha256: string; rows: number }> {
  const hash = createHash('sha256')
  for await (const chunk of openFile(file)) hash.update(chunk as Buffer)
  let rows = 0
  for await (const { number } of seedRows(file)) rows = number
  return { sha256: hash.digest('hex'), rows }
}

/**
 * The rows of a CSV file with the columns `text` and, where there is one, `label`, as they are read: the file is never
 * in memory as a whole.
 *
 * @throws Refusal that names the line where the file is no such CSV
 */
export async function* seedRows(file: string): AsyncGenerator<SeedRow> {
  let number = 0
  for await (const record of csvRecords(file)) {
    number += 1
    if (record['text'] === undefined) throw new Refusal(`${file} has no column "text"; it has: ${Object.keys(record).join(', ')}.`)
    yield { number, text: record['text'].trim(), label: (record['label'] ?? '').trim() }
  }
}

/** What a person would write above the text: its first sentence, cut between words where it is long. */
export function subjectOf(text: string): string {
  const sentence = text.split(/(?<=[.!?])\s|\n/, 1)[0]!.trim()
  if (sentence.length <= SUBJECT_CHARS) return sentence
  const cut = sentence.slice(0, SUBJECT_CHARS)
  const space = cut.lastIndexOf(' ')
  return `${(space > SUBJECT_CHARS / 2 ? cut.slice(0, space) : cut).trimEnd()}…`
}
