import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

const NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
const PAGES: [RegExp, string][] = [
  [
    /^\/(console|desk)(\/|$)/,
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  ],
  [
    // The reference writes its own styles and one inline script; it may reach nothing but this server.
    /^\/docs(\/|$)/,
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ],
]

/** Headers that keep a browser from doing what no answer of ours asks for: an API's answers may load nothing at all. */
export async function hardenHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: false,
    crossOriginEmbedderPolicy: false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
  })
  app.addHook('onSend', async (request, reply) => {
    const page = PAGES.find(([path]) => path.test(request.url.split('?', 1)[0]!))
    reply.header('content-security-policy', page?.[1] ?? NOTHING)
    if (!page && !reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
}
