import type { Example } from '#ai/learning.ts'
import { Refusal } from './failure.ts'
import { csvRecords } from './table-files.ts'

const SENTIMENTS = ['positive', 'neutral', 'negative']

/** The rows of a CSV file with the columns `text` and `label`. @throws Refusal that says what is wrong with it */
export async function labelledRows(file: string): Promise<Example[]> {
  const rows: Example[] = []
  for await (const { text, label } of csvRecords(file)) {
    if (text === undefined || label === undefined) throw new Refusal(`${file} needs the columns "text" and "label" in its first line.`)
    if (label.trim() === '') throw new Refusal(`${file}, row ${rows.length + 1}: the label is empty.`)
    rows.push({ text, label: label.trim() })
  }
  if (rows.length === 0) throw new Refusal(`${file} has no rows.`)
  return rows
}

/** The rows, where each label is a sentiment. @throws Refusal that names the one that is not */
export function onlySentiments(file: string, rows: readonly Example[]): readonly Example[] {
  const foreign = rows.find(({ label }) => !SENTIMENTS.includes(label))
  if (foreign) throw new Refusal(`${file} has the label "${foreign.label}"; sentiments are ${SENTIMENTS.join(', ')}.`)
  return rows
}

/** The texts of a CSV file with the column `text`. @throws Refusal that says what is wrong with it */
export async function textRows(file: string): Promise<{ text: string }[]> {
  const rows: { text: string }[] = []
  for await (const { text } of csvRecords(file)) {
    if (text === undefined) throw new Refusal(`${file} needs the column "text" in its first line.`)
    rows.push({ text })
  }
  if (rows.length === 0) throw new Refusal(`${file} has no rows.`)
  return rows
}
