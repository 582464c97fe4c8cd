import swagger from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from '@fastify/type-provider-zod'
import reference from '@scalar/fastify-api-reference'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { AUTHORITY } from '../authority.ts'
import { EXAMPLES } from '../examples.ts'

const DOCUMENT = '/api/v1/openapi.json'

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'errors', 'request_id'],
  properties: {
    type: { type: 'string', format: 'uri-reference' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri-reference' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['location', 'path', 'message'],
        properties: { location: { enum: ['body', 'query', 'path', 'header'] }, path: { type: 'string' }, message: { type: 'string' } },
      },
    },
    request_id: { type: 'string' },
  },
}

interface Operation {
  responses?: Record<string, unknown>
  parameters?: unknown[]
  requestBody?: { content?: Record<string, { examples?: Record<string, unknown> }> }
  security?: unknown[]
  description?: string
}

/** The routes' own schemas as OpenAPI 3.1, and a page on which they can be read without the internet. */
export async function document(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'ATUM DESK', version: '1', description: 'A helpdesk whose every background job is a state machine that one can watch.' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
    transform: jsonSchemaTransform,
    transformObject: (given) => completed(jsonSchemaTransformObject(given) as Document) as ReturnType<typeof jsonSchemaTransformObject>,
  })
  app.get(DOCUMENT, { schema: { summary: 'This document', tags: ['documentation'], response: { 200: z.looseObject({}) } } }, () => app.swagger())
  await app.register(reference, {
    routePrefix: '/docs',
    configuration: { url: DOCUMENT, pageTitle: 'ATUM DESK API', withDefaultFonts: false, telemetry: false, hideClientButton: true, agent: { disabled: true } },
  })
}

interface Document {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, unknown>; responses?: Record<string, unknown> }
}

/** Where a POST that creates may come twice and be done once. */
const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key gives the same answer, and is done once. With another body: 422. Kept for a day.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}

/** Says of each operation who may call it, what one may send, and that every error is a problem document. */
function completed(document: Document): Document {
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) {
      const route = `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      const rule = AUTHORITY[route]
      if (method === 'post' && operation.responses && '201' in operation.responses) operation.parameters = [...(operation.parameters ?? []), idempotencyKey]
      const json = operation.requestBody?.content?.['application/json']
      const examples = EXAMPLES[route]
      if (json && examples) json.examples = Object.fromEntries(examples.map((example, index) => [`example${index + 1}`, example]))
      operation.responses = { ...operation.responses, default: { $ref: '#/components/responses/Problem' } }
      if (rule === 'anyone' || rule === undefined) continue
      operation.security = [{ bearer: [] }]
      operation.description = [operation.description, `For: ${rule.join(', ')}.`].filter(Boolean).join(' ')
    }
  }
  return {
    ...document,
    components: {
      ...document.components,
      schemas: { ...document.components?.schemas, Problem: problemSchema },
      responses: {
        Problem: { description: 'What went wrong (RFC 9457).', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
      },
    },
  }
}
