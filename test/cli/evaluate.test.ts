import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parted } from '../../src/cli/hold-out.ts'
import { createProgram } from '../../src/cli/program.ts'
import { run } from './program.ts'

const folder = await mkdtemp(join(tmpdir(), 'atum-desk-evaluate-'))
after(() => rm(folder, { recursive: true }))

async function file(name: string, lines: readonly string[]): Promise<string> {
  const path = join(folder, name)
  const text = `${lines.join('\n')}\n`
  await writeFile(path, name.endsWith('.gz') ? gzipSync(text) : text)
  return path
}

const jsonLines = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row))

async function figures(...args: string[]): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await run([...args, '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Record<string, number>
}

const FRUIT = ['red apple', 'green apple tree', '"sweet apple, juice"', 'apple pie']
const VEHICLE = ['fast car', 'red car door', 'car engine noise', 'a car wash']
const labelled = ['text,label', ...FRUIT.map((text) => `${text},fruit_bowl`), ...VEHICLE.map((text) => `${text},vehicle`)]

test('ai evaluate prints the figures by their names, from packed files too', async () => {
  const train = await file('train.csv.gz', labelled)
  const test = await file('test.csv', ['text,label', 'an apple,fruit_bowl', 'the car,vehicle', 'a bowl,fruit_bowl', 'the apple car,boat'])
  const foreign = await file('foreign.csv', ['text', 'zebra giraffe', 'ЖЖЖ'])
  const found = await figures('ai', 'evaluate', '--train', train, '--test', test, '--label-names', '--out-of-scope', foreign)
  assert.deepEqual(Object.keys(found).toSorted(), [
    'accuracy',
    'accuracy_at_80_coverage',
    'classes',
    'ece',
    'macro_f1',
    'oos_auroc',
    'p50_ms',
    'p95_ms',
    'peak_rss_mb',
    'test_rows',
    'train_rows',
    'train_seconds',
  ])
  assert.equal(found['train_rows'], 8)
  assert.equal(found['test_rows'], 4)
  assert.equal(found['classes'], 2)
  assert.equal(found['accuracy'], 0.75, 'the label that was never taught is wrong, the one whose name was taught is right')
  assert.equal(found['oos_auroc'], 1)
  assert.ok(found['peak_rss_mb']! > 20 && found['train_seconds']! > 0 && found['p95_ms']! >= found['p50_ms']!)
})

test('ai evaluate parts one file: each n-th row is measured on, and so many of the others are learned from', async () => {
  const train = await file('all.csv', labelled)
  const found = await figures('ai', 'evaluate', '--train', train, '--hold-out', '2/4')
  assert.deepEqual([found['train_rows'], found['test_rows'], found['classes']], [6, 2, 2])
  const few = await figures('ai', 'evaluate', '--train', train, '--hold-out', '2/4', '--learn-from', '4')
  assert.deepEqual([few['train_rows'], few['test_rows']], [4, 2])
  for (const [refused, args] of [
    ['--test FILE, or --hold-out', ['--train', train]],
    ['--test FILE, or --hold-out', ['--train', train, '--test', train, '--hold-out', '1/5']],
    ['goes with --hold-out', ['--train', train, '--test', train, '--learn-from', '4']],
    ['say --train', ['--task', 'sentiment', '--hold-out', '1/5']],
    ['like 1/5', ['--train', train, '--hold-out', '6/5']],
    ['too few rows', ['--train', train, '--hold-out', '9/9']],
  ] as const) {
    const { code, stderr } = await run(['ai', 'evaluate', ...args])
    assert.notEqual(code, 0)
    assert.ok(stderr.includes(refused), stderr)
  }
})

test('the rows that are held out and the others are all rows, each once; fewer are spread over all of the others', () => {
  const rows = Array.from({ length: 23 }, (_, index) => index)
  const { train, test: held } = parted(rows, { from: 2, every: 5 })
  assert.deepEqual(held, [1, 6, 11, 16, 21])
  assert.deepEqual(
    [...train, ...held].toSorted((a, b) => a - b),
    rows,
  )
  assert.deepEqual(parted(rows, { from: 2, every: 5 }, 3).train, [0, 8, 15])
})

test('ai evaluate --task sentiment measures the default without a training file', async () => {
  const test = await file('feelings.csv', ['text,label', 'thank you great help,positive', 'this is awful and useless,negative', 'the door is blue,neutral'])
  const found = await figures('ai', 'evaluate', '--task', 'sentiment', '--test', test)
  assert.equal(found['train_rows'], 0)
  assert.equal(found['accuracy'], 1)
  assert.equal(found['macro_f1'], 1)
})

test('kb evaluate ranks, and an accepted query leads to its article', async () => {
  const corpus = await file(
    'corpus.jsonl',
    jsonLines([
      { id: 'jam', title: 'Paper jam', text: 'Open the rear door of the printer.' },
      { id: 'vpn', title: 'VPN', text: 'Renew the certificate of the tunnel.' },
    ]),
  )
  const queries = await file('queries.jsonl', jsonLines([{ id: 'q', text: 'the blinking orange lamp', relevant: ['jam'] }]))
  const accepted = await file('accepted.jsonl.gz', jsonLines([{ text: 'an orange lamp is blinking', article_id: 'jam' }]))
  const cold = await figures('kb', 'evaluate', '--corpus', corpus, '--queries', queries)
  assert.deepEqual([cold['queries'], cold['documents'], cold['hit_at_3']], [1, 2, 0])
  const warm = await figures('kb', 'evaluate', '--corpus', corpus, '--queries', queries, '--accepted', accepted)
  for (const figure of ['ndcg_at_10', 'hit_at_1', 'hit_at_3', 'recall_at_10', 'mrr']) assert.equal(warm[figure], 1, figure)
  assert.ok(warm['p95_ms']! > 0)
})

test('tickets evaluate-similar asks for the later one of a pair among the earlier issues', async () => {
  const issues = await file(
    'issues.jsonl',
    jsonLines([
      { id: '1', created_at: '2026-01-01T00:00:00Z', subject: 'Printer jams', text: 'The printer jams on thick paper.' },
      { id: '2', created_at: '2026-01-02T00:00:00Z', subject: 'VPN drops', text: 'The tunnel closes after an hour.' },
      { id: '3', created_at: '2026-01-03T00:00:00Z', subject: 'Paper jams in the printer', text: 'Thick paper jams.' },
      { id: '4', created_at: '2026-01-04T00:00:00Z', subject: 'Paper jams in the printer', text: 'Thick paper jams.' },
    ]),
  )
  const pairs = await file(
    'pairs.jsonl',
    jsonLines([
      { a: '3', b: '1' },
      { a: '1', b: '3' },
    ]),
  )
  const found = await figures('tickets', 'evaluate-similar', '--issues', issues, '--pairs', pairs)
  assert.equal(found['queries'], 1)
  assert.equal(found['recall_at_5'], 1)
  assert.equal(found['mrr'], 1, 'the issue that came after the asking one is no candidate')
})

test('a file that cannot be read is refused with its name, its place and what is wrong', async () => {
  const good = await file('good.csv', labelled)
  const cases: [string[], RegExp][] = [
    [['ai', 'evaluate', '--train', '/nowhere.csv', '--test', good], /no file \/nowhere\.csv/],
    [['ai', 'evaluate', '--test', good], /--train/],
    [['ai', 'evaluate', '--train', await file('columns.csv', ['a,b', '1,2']), '--test', good], /columns\.csv needs the columns "text" and "label"/],
    [['ai', 'evaluate', '--train', good, '--test', await file('unlabelled.csv', ['text,label', 'x,'])], /unlabelled\.csv, row 1: the label is empty/],
    [['ai', 'evaluate', '--train', good, '--test', await file('empty.csv', ['text,label'])], /empty\.csv has no rows/],
    [['ai', 'evaluate', '--train', await file('one.csv', ['text,label', 'x,y', 'z,y']), '--test', good], /one label alone/],
    [['ai', 'evaluate', '--task', 'sentiment', '--test', good], /has the label "fruit_bowl"/],
    [['ai', 'evaluate', '--train', await file('ragged.csv', ['text,label', 'x,y,z']), '--test', good], /ragged\.csv is not a CSV file/],
    [
      ['kb', 'evaluate', '--corpus', await file('broken.jsonl', ['{"id":"1","title":"","text":""}', '{']), '--queries', good],
      /broken\.jsonl, line 2: not JSON/,
    ],
    [['kb', 'evaluate', '--corpus', await file('lacking.jsonl', ['{"id":"1","title":""}']), '--queries', good], /lacking\.jsonl, line 1: text/],
    [
      ['tickets', 'evaluate-similar', '--issues', await file('undated.jsonl', ['{"id":"1","created_at":"x","subject":"","text":""}']), '--pairs', good],
      /line 1: created_at/,
    ],
  ]
  for (const [args, says] of cases) await assert.rejects(createProgram().parseAsync(args, { from: 'user' }), { name: 'Refusal', message: says })
  await writeFile(join(folder, 'torn.csv.gz'), gzipSync('text,label\nx,y\n').subarray(0, 12))
  const torn = await run(['ai', 'evaluate', '--train', join(folder, 'torn.csv.gz'), '--test', good])
  assert.equal(torn.code, 1)
  assert.match(torn.stderr, /not a whole gzip file/)
  assert.doesNotMatch(torn.stderr, /\n\s+at /)
})
