#!/usr/bin/env node
// Starts the program on a Node that can run it: this one, or the one that npm installed beside it. Plain JavaScript that
// an old Node reads as well.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const NEEDED_NODE = 26
const home = new URL('..', import.meta.url)
const main = new URL('src/main.ts', home)

if (Number(process.versions.node.split('.')[0]) < NEEDED_NODE) runOnInstalledNode()
else {
  await import('./own-typescript.mjs')
  const { main: run } = await import(main.href)
  await run(process.argv.slice(2))
}

function runOnInstalledNode() {
  const program = `node/bin/${process.platform === 'win32' ? 'node.exe' : 'node'}`
  const isInstalled = fileURLToPath(home).split(/[\\/]/).includes('node_modules')
  // In a clone below it; installed as a package beside it.
  const node = fileURLToPath(new URL(isInstalled ? `../${program}` : `node_modules/${program}`, home))
  if (!existsSync(node)) {
    const remedy = isInstalled ? `Run "npm install node@${NEEDED_NODE}" beside it` : `Run "npm ci" in ${fileURLToPath(home)}`
    console.error(
      `atum-desk needs Node ${NEEDED_NODE} or newer; this is Node ${process.versions.node}. ${remedy}, which brings one along, or install Node ${NEEDED_NODE}.`,
    )
    process.exit(1)
  }
  // The channel tells the program when this launcher is gone, however it went.
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`atum-desk could not start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    for (const name of signals) process.removeAllListeners(name)
    if (signal) process.kill(process.pid, signal)
    else process.exit(code ?? 1)
  })
}
