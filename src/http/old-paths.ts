import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'

const PREFIX = '/api/v1'

/**
 * The paths of the first ATUM DESK, each with the route that answers there now, and what the old path said by itself.
 * Roles, bodies and answers are the route's own. Where a path has not changed (`/attachments/{id}/download`) it is not here.
 */
const OLD_PATHS: readonly [method: string, old: string, now: string, query?: Record<string, string>][] = [
  ['GET', '/internal/tickets', '/tickets'],
  ['GET', '/internal/tickets/new', '/tickets', { status: 'new' }],
  ['POST', '/internal/tickets/:id/accept', '/tickets/:id/accept'],
  ['POST', '/internal/tickets/:id/assign', '/tickets/:id/assign'],
  ['POST', '/internal/tickets/:id/status', '/tickets/:id/status'],
  ['GET', '/comments/ticket/:id', '/tickets/:id/comments'],
  ['POST', '/comments/ticket/:id', '/tickets/:id/comments'],
  ['GET', '/attachments/ticket/:id', '/tickets/:id/attachments'],
  ['POST', '/attachments/ticket/:id', '/tickets/:id/attachments'],
  ['GET', '/admin/jobs', '/jobs'],
  ['GET', '/admin/rag-queue', '/jobs', { job_type: 'RAG_INDEX' }],
  ['GET', '/admin/system-health', '/health'],
  ['GET', '/ai/tickets/:id/smart-replies', '/tickets/:id/suggestions'],
  ['GET', '/ai/tickets/:id/summary', '/tickets/:id/digest'],
  ['GET', '/ai/tickets/:id/key-points', '/tickets/:id/digest'],
  ['GET', '/ai/tickets/:id/sla-prediction', '/tickets/:id/sla'],
]

/** The table of authority with the old paths in it: who may use a route may use it under its old path. */
export function withOldPaths<Rule>(authority: Readonly<Record<string, Rule>>): Record<string, Rule> {
  const old = OLD_PATHS.map(([method, old, now]) => [`${method} ${PREFIX}${old}`, authority[`${method} ${PREFIX}${now}`]!] as const)
  return { ...authority, ...Object.fromEntries(old) }
}

/** Has each route that is registered from now on answer under its old paths too. */
export function answerOldPaths(app: FastifyInstance): void {
  app.addHook('onRoute', function alias(this: FastifyInstance, route: RouteOptions) {
    for (const [method, old, now, query] of OLD_PATHS) {
      if (route.method !== method || route.url !== PREFIX + now) continue
      const says = async (request: FastifyRequest) => void (request.query = { ...query, ...(request.query as object) })
      this.route({
        ...route,
        url: old,
        schema: { ...route.schema, deprecated: true },
        preValidation: [...(query ? [says] : []), ...[route.preValidation ?? []].flat()],
      })
    }
  })
}
