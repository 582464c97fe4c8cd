import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { metrics } from '#metrics.ts'
import { problemOf } from '../problem.ts'
import { refusal } from '../refusal.ts'

/** Answers every error, unknown path and wrong method as application/problem+json. */
export function answerWithProblems(app: FastifyInstance): void {
  const routes: { method: string; matches: RegExp }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const matches = new RegExp(
      `^${url
        .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
        .replaceAll('*', '.*')
        .replaceAll(/:\w+/g, '[^/]+')}$`,
    )
    for (const each of [method].flat()) routes.push({ method: each, matches })
  })
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allowed = [...new Set(routes.filter((route) => route.matches.test(path)).map((route) => route.method))]
    if (allowed.length === 0) return sendProblem(refusal(404, 'There is nothing at this path.'), request, reply)
    const allow = allowed.join(', ')
    return sendProblem(refusal(405, `This path answers ${allow}.`, { headers: { allow } }), request, reply)
  })
}

/** Sends what `error` is to the caller; a fault of the service is logged and counted. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const thrown = error instanceof Error ? error : new Error(String(error))
  const { problem, headers } = problemOf(thrown, request)
  if (problem.status >= 500) {
    const endpoint = request.routeOptions?.url ?? 'unmatched'
    metrics.errors.inc({ error_type: problem.status === 503 ? 'unavailable' : 'fault', endpoint })
    request.log[problem.status === 503 ? 'warn' : 'error']({ err: thrown, request_id: request.id, endpoint }, 'a request failed')
  }
  return (
    reply
      .code(problem.status)
      .headers(headers)
      // A path that the router cannot read comes here without passing a hook.
      .header('x-request-id', request.id)
      .type('application/problem+json')
      .serializer((body: unknown) => JSON.stringify(body))
      .send(problem)
  )
}
