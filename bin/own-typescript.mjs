import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

// Loaded first by the launcher, and by each thread that it starts: a thread does not inherit what reads its files.
const home = new URL('..', import.meta.url)
if (fileURLToPath(home).split(/[\\/]/).includes('node_modules')) readOwnTypeScript()

/** Node strips no types below node_modules. Installed there, this package reads its own files itself, and no other's. */
function readOwnTypeScript() {
  const sources = new URL('src/', home).href
  const { emitWarning } = process
  process.emitWarning = () => {}
  nodeModule.stripTypeScriptTypes('')
  process.emitWarning = emitWarning
  nodeModule.registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith(sources) || !url.endsWith('.ts')) return nextLoad(url, context)
      return { format: 'module', shortCircuit: true, source: nodeModule.stripTypeScriptTypes(readFileSync(new URL(url), 'utf8')) }
    },
  })
}
