// Runs after npm has installed: bundles the console. Plain JavaScript, so that an old Node can say what is wrong.
const NEEDED_NODE = 26

if (Number(process.versions.node.split('.')[0]) < NEEDED_NODE) {
  console.error(
    `atum-desk needs Node ${NEEDED_NODE} or newer; this is Node ${process.versions.node}. Install Node ${NEEDED_NODE}, or run "npm ci" without --omit=dev, which brings one along.`,
  )
  process.exit(1)
}
const { buildConsole } = await import('../src/console/build.ts')
await buildConsole()
