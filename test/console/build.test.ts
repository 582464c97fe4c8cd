import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { buildConsole } from '#console/build.ts'

const GZIP_BYTES_MAX = 200_000
/** The names of XML's vocabularies look like addresses, but no browser visits them. */
const NAMES_NOT_PLACES = /^https?:\/\/www\.w3\.org$/

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-console-'))
after(() => rm(directory, { recursive: true, force: true }))
await buildConsole(directory)

const files = await readdir(join(directory, 'assets'))
const assets = files.filter((name) => !/\.(br|gz)$/.test(name))
const contents = await Promise.all(assets.map((name) => readFile(join(directory, 'assets', name))))
const page = await readFile(join(directory, 'index.html'), 'utf8')

test('the page refers to every asset, by an absolute path that deep links share', () => {
  const references = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, address]) => address)
  assert.deepEqual(new Set(references), new Set(assets.map((name) => `/console/assets/${name}`)))
  assert.doesNotMatch(page, /\{\{/)
})

test('the page has no inline script or style, which a strict content security policy would refuse', () => {
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=/i)
  for (const content of contents) assert.doesNotMatch(content.toString(), /\beval\(|new Function\(/)
})

test(`the whole console is below ${GZIP_BYTES_MAX / 1_000} kB on the wire`, () => {
  const bytes = contents.reduce((sum, content) => sum + gzipSync(content).length, 0)
  assert.ok(bytes < GZIP_BYTES_MAX, `${bytes} bytes`)
})

test('each script and style sheet lies there compressed, twice', async () => {
  for (const name of assets.filter((each) => /\.(js|css)$/.test(each))) {
    const path = join(directory, 'assets', name)
    const content = await readFile(path)
    assert.deepEqual(brotliDecompressSync(await readFile(`${path}.br`)), content)
    assert.deepEqual(gunzipSync(await readFile(`${path}.gz`)), content)
  }
})

test('nothing in the console refers to another host', () => {
  for (const text of [page, ...contents.map(String)]) {
    const places = [...text.matchAll(/\bhttps?:\/\/[\w.:-]+|["'(=]\/\/[\w-]+\.[\w.:-]+/gi)].map(([address]) => address)
    assert.deepEqual(
      places.filter((address) => !NAMES_NOT_PLACES.test(address)),
      [],
    )
  }
})

test('a second build gives the same files', async () => {
  await buildConsole(directory)
  assert.deepEqual(await readdir(join(directory, 'assets')), files)
})
