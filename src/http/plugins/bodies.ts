import type { FastifyInstance } from 'fastify'
import { refusal } from '../refusal.ts'

const DEPTH_MAX = 64

/**
 * JSON is the only body. Bytes that are no UTF-8 are refused rather than replaced, and so is text that PostgreSQL cannot
 * keep: NUL characters and halves of surrogate pairs, wherever in the request they stand.
 */
export function readBodiesStrictly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    let text: string
    try {
      text = utf8.decode(body as Buffer)
    } catch {
      return done(refusal(400, 'The body is not valid UTF-8.'), undefined)
    }
    void parse(request, text, done)
  })
  app.addHook('preValidation', async ({ body, query, params }) => {
    for (const [location, value] of Object.entries({ body, query, path: params })) {
      const path = unstorable(value, [])
      if (path === null) continue
      const detail = 'Text must not hold NUL characters or half surrogate pairs, nor be nested too deeply.'
      throw refusal(400, detail, {
        errors: [{ location: location as 'body', path: path.join('.').slice(0, 200), message: 'holds text that cannot be stored' }],
      })
    }
  })
}

/** The path to the first text that PostgreSQL cannot keep, or null. */
function unstorable(value: unknown, path: string[]): string[] | null {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed() ? path : null
  if (typeof value !== 'object' || value === null) return null
  if (path.length > DEPTH_MAX) return path
  for (const [key, child] of Object.entries(value)) {
    const found = unstorable(key, path) ?? unstorable(child, [...path, key])
    if (found) return found
  }
  return null
}
