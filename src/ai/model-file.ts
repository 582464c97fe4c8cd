import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { z } from 'zod'
import type { ClassifierData } from './learning.ts'

/** Changes where the layout does: an older file is then not read, and the model learned anew. */
const FORMAT = 1

/*
 * A model as bytes, compressed as a whole: the length of a header (uint32), the header (JSON: everything small, and how long
 * each array is), the terms as uint32, then every array of weights as 16-bit floats, which is all the precision they need.
 */
const header = z.object({
  format: z.literal(FORMAT),
  labels: z.array(z.string()),
  stems: z.number(),
  texts: z.number(),
  terms: z.number(),
  /** Files from before loose pairs say nothing of them. */
  loose: z.boolean().default(false),
  networks: z.array(z.object({ hidden: z.number() })),
  networkShare: z.number(),
  temperature: z.number(),
  /** Files from before texts could have several labels say nothing of it. */
  offset: z.number().nullable().default(null),
  /** JSON has no infinity: null is minus infinity. */
  leastMargin: z.number().nullable(),
  foreignAccuracy: z.number(),
  measured: z.object({ rows: z.number(), accuracy: z.number(), ece: z.number() }).nullable(),
})

/** The model as it lies in the database: for 77 labels some megabytes. */
export function encodeModel({ labels, vocabulary, linear, networks, leastMargin, ...small }: ClassifierData): Buffer {
  const head = Buffer.from(
    JSON.stringify({
      format: FORMAT,
      labels,
      stems: vocabulary.stems,
      texts: vocabulary.texts,
      loose: vocabulary.loose,
      terms: vocabulary.terms.length,
      networks: networks.map(({ hidden }) => ({ hidden })),
      leastMargin: Number.isFinite(leastMargin) ? leastMargin : null,
      ...small,
    } satisfies z.input<typeof header>),
  )
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  const arrays = [vocabulary.idf, linear.weights, ...networks.flatMap(({ input, inputBias, output, outputBias }) => [input, inputBias, output, outputBias])]
  const halves = arrays.map((array) => Buffer.from(Float16Array.from(array).buffer))
  return zstdCompressSync(Buffer.concat([length, head, Buffer.from(vocabulary.terms.slice().buffer), ...halves]))
}

/** The model that the bytes are; null where an older version of the program wrote them, with another layout. */
export function decodeModel(bytes: Uint8Array): ClassifierData | null {
  const whole = zstdDecompressSync(bytes)
  let at = 4 + whole.readUInt32LE(0)
  const head: unknown = JSON.parse(whole.toString('utf8', 4, at))
  if ((head as { format?: unknown }).format !== FORMAT) return null
  const { labels, stems, texts, loose, terms: count, networks: sizes, leastMargin, format: _format, ...small } = header.parse(head)
  const cut = (size: number): ArrayBuffer => {
    if (at + size > whole.length) throw new Error('the model is shorter than its header says')
    // A copy, because the arrays' kinds ask for another alignment than the header leaves.
    const part = new Uint8Array(whole.subarray(at, at + size)).buffer
    at += size
    return part
  }
  const floats = (length: number): Float32Array => Float32Array.from(new Float16Array(cut(2 * length)))
  const terms = new Uint32Array(cut(4 * count))
  const vocabulary = { terms, idf: floats(count), stems, texts, loose }
  const linear = { labels: labels.length, weights: floats((count + 1) * labels.length) }
  const networks = sizes.map(({ hidden }) => ({
    hidden,
    labels: labels.length,
    input: floats(stems * hidden),
    inputBias: floats(hidden),
    output: floats(hidden * labels.length),
    outputBias: floats(labels.length),
  }))
  return { ...small, labels, vocabulary, linear, networks, leastMargin: leastMargin ?? Number.NEGATIVE_INFINITY }
}
