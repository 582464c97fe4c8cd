import { fileURLToPath } from 'node:url'

/** Where the built console lies: index.html and assets/, to be served at /console. Made by build.ts. */
export const consoleDirectory = fileURLToPath(new URL('dist', import.meta.url))
