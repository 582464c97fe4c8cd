import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { Refusal } from './failure.ts'

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
  for await (const chunk of open(file)) hash.update(chunk as Buffer)
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
  const parser = pipeline(open(file), parse({ bom: true, columns: true, skip_empty_lines: true }), () => {})
  try {
    for await (const record of parser as AsyncIterable<Record<string, string>>) {
      number += 1
      if (record['text'] === undefined) throw new Refusal(`${file} has no column "text"; it has: ${Object.keys(record).join(', ')}.`)
      yield { number, text: record['text'].trim(), label: (record['label'] ?? '').trim() }
    }
  } catch (error) {
    if (error instanceof CsvError) throw new Refusal(`${file} is not a CSV file that can be read: ${error.message}`)
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw new Refusal(`${file} is not a whole gzip file: ${(error as Error).message}`)
    throw error
  }
}

function open(file: string): Readable {
  const raw = createReadStream(file)
  return file.endsWith('.gz') ? pipeline(raw, createGunzip(), () => {}) : raw
}

/** What a person would write above the text: its first sentence, cut between words where it is long. */
export function subjectOf(text: string): string {
  const sentence = text.split(/(?<=[.!?])\s|\n/, 1)[0]!.trim()
  if (sentence.length <= SUBJECT_CHARS) return sentence
  const cut = sentence.slice(0, SUBJECT_CHARS)
  const space = cut.lastIndexOf(' ')
  return `${(space > SUBJECT_CHARS / 2 ? cut.slice(0, space) : cut).trimEnd()}…`
}
