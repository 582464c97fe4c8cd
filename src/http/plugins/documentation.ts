import swagger from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from '@fastify/type-provider-zod'
import reference from '@scalar/fastify-api-reference'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ruleOf } from '../authority.ts'

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

/** Says of each operation who may call it, and that every error is a problem document. */
function completed(document: Document): Document {
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) {
      const rule = ruleOf(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'))
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
