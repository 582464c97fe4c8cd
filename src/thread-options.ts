const reader = new URL('../bin/own-typescript.mjs', import.meta.url)

/** With what a thread is started: installed as a package, Node reads its TypeScript only by what the launcher brought along. */
export const THREAD_OPTIONS: { execArgv?: string[] } = reader.pathname.split('/').includes('node_modules') ? { execArgv: ['--import', reader.href] } : {}
