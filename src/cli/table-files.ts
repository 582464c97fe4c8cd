import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CsvError, parse } from 'csv-parse'
import type { z } from 'zod'
import { Refusal } from './failure.ts'

/** The file's bytes, unpacked where its name ends in `.gz`. */
export function openFile(file: string): Readable {
  const raw = createReadStream(file)
  return file.endsWith('.gz') ? pipeline(raw, createGunzip(), () => {}) : raw
}

/**
 * The records of a CSV file by its header, as they are read: the file is never in memory as a whole.
 *
 * @throws Refusal that says what is wrong with the file
 */
export async function* csvRecords(file: string): AsyncGenerator<Record<string, string>> {
  const parser = pipeline(openFile(file), parse({ bom: true, columns: true, skip_empty_lines: true }), () => {})
  try {
    yield* parser as AsyncIterable<Record<string, string>>
  } catch (error) {
    throw refusalOf(file, error)
  }
}

/**
 * The lines of a JSON Lines file, each as `schema` has it.
 *
 * @throws Refusal that names the line that is not such a thing
 */
export async function* jsonLines<Row>(file: string, schema: z.ZodType<Row>): AsyncGenerator<Row> {
  const input = openFile(file)
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  // readline does not hand on what its input throws.
  const failed = new Promise<never>((_, reject) => input.once('error', reject))
  failed.catch(() => {})
  const iterator = lines[Symbol.asyncIterator]()
  try {
    for (let number = 1; ; number += 1) {
      const next = await Promise.race([iterator.next(), failed])
      if (next.done) return
      if (next.value.trim() !== '') yield readLine(file, number, next.value, schema)
    }
  } catch (error) {
    throw refusalOf(file, error)
  } finally {
    lines.close()
    input.destroy()
  }
}

function readLine<Row>(file: string, number: number, line: string, schema: z.ZodType<Row>): Row {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new Refusal(`${file}, line ${number}: not JSON (${(error as Error).message}).`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Refusal(`${file}, line ${number}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the line'}: ${message}`).join('; ')}.`)
}

function refusalOf(file: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof CsvError) return new Refusal(`${file} is not a CSV file that can be read: ${message}`)
  if (code?.startsWith('Z_')) return new Refusal(`${file} is not a whole gzip file: ${message}`)
  if (code === 'ENOENT') return new Refusal(`There is no file ${file}.`)
  if (code === 'EISDIR') return new Refusal(`${file} is a folder.`)
  if (code === 'EACCES') return new Refusal(`${file} may not be read by this user.`)
  return error
}
