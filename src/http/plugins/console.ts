import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { refusal } from '../refusal.ts'

/** Files whose name carries a hash of their content never change. */
const HASHED = /[/\\]assets[/\\]/

/** The operator console at /console and the agents' desk at /desk: their files, and one page for every other path, which it reads itself. */
export async function serveConsole(app: FastifyInstance, directory: string): Promise<void> {
  if (!existsSync(join(directory, 'index.html'))) {
    app.log.warn({ directory }, 'the console is not built: /console answers 404')
    return
  }
  await app.register(fastifyStatic, {
    root: directory,
    serve: false,
    index: false,
    preCompressed: true,
    setHeaders: (response, path) => {
      response.header('cache-control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
  const schema = { hide: true }
  app.get('/', { schema }, (_request, reply) => reply.redirect('/console/'))
  for (const place of ['console', 'desk']) app.get(`/${place}`, { schema }, (_request, reply) => reply.redirect(`/${place}/`))
  app.get('/desk/*', { schema }, (_request, reply) => reply.sendFile('index.html'))
  app.get<{ Params: { '*': string } }>('/console/*', { schema }, (request, reply) => {
    const path = request.params['*']
    if (/\.\w+$/.test(path)) {
      if (!/^[\w./-]+$/.test(path) || path.includes('..') || !existsSync(join(directory, path))) throw refusal(404, 'There is nothing at this path.')
      return reply.sendFile(path)
    }
    return reply.sendFile('index.html')
  })
}
