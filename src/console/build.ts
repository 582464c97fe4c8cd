import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Chart } from '#machines/chart.ts'
import { ticketChart } from '#machines/charts.ts'
import { consoleDirectory } from './directory.ts'

const CLIENT = fileURLToPath(new URL('client', import.meta.url))
/** The greatest takes ten times as long for the last twentieth. */
const BROTLI_QUALITY = 9
/** Absolute, because index.html also answers deep links such as /console/jobs/123. */
const BASE = '/console/'

/**
 * Bundles the console into `directory`: one script, one style sheet (each compressed too), an icon and the page that refers to them. The names
 * carry a hash of the content, so that a browser may keep them for ever.
 */
export async function buildConsole(directory = consoleDirectory): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const { metafile } = await build({
    entryPoints: [join(CLIENT, 'main.tsx'), join(CLIENT, 'icon.svg')],
    outdir: join(directory, 'assets'),
    entryNames: '[name]-[hash]',
    loader: { '.svg': 'copy' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2023', 'chrome120', 'firefox121', 'safari17.2'],
    // The file that the compiler reads extends one that an installation does not have.
    tsconfigRaw: {},
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    // The machine is defined once; the page needs its moves, not the library that runs it.
    define: { TICKET_MOVES: JSON.stringify(movesOf(ticketChart)) },
    metafile: true,
    absWorkingDir: directory,
    logLevel: 'warning',
  })
  const built = Object.keys(metafile.outputs).map((path) => basename(path))
  for (const file of built.filter((name) => /\.(js|css)$/.test(name))) await compress(join(directory, 'assets', file))
  const page = await readFile(join(CLIENT, 'index.html'), 'utf8')
  await writeFile(
    join(directory, 'index.html'),
    page.replaceAll(/\{\{(\w+)\.(\w+)\}\}/g, (_, name: string, kind: string) => {
      const file = built.find((output) => output.startsWith(`${name}-`) && output.endsWith(`.${kind}`))
      if (!file) throw new Error(`index.html names ${name}.${kind}, which the bundle does not have`)
      return `${BASE}assets/${file}`
    }),
  )
}

/** Beside each script and style sheet, as small as browsers take it: nobody compresses while somebody waits. */
async function compress(path: string): Promise<void> {
  const content = await readFile(path)
  await writeFile(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }))
  await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }))
}

/** Where a thing can go from each state. */
function movesOf({ states, edges }: Chart): Record<string, string[]> {
  return Object.fromEntries(states.map((state) => [state, edges.filter(({ from }) => from === state).map(({ to }) => to)]))
}

if (import.meta.main) await buildConsole()
