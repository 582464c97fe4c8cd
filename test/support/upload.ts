import type { FastifyInstance } from 'fastify'
import type { Client } from './server.ts'

/** Sends a form with a file, as a browser would. */
export async function upload(
  app: FastifyInstance,
  client: Client,
  path: string,
  { name = 'note.txt', bytes = 'hello', fields = {}, headers = {} }: Upload = {},
) {
  const form = new FormData()
  for (const [field, value] of Object.entries(fields)) form.append(field, value)
  form.append('file', new Blob([bytes as string]), name)
  const encoded = new Response(form)
  const response = await app.inject({
    method: 'POST',
    url: `/api/v1${path}`,
    headers: { authorization: `Bearer ${client.token}`, 'content-type': encoded.headers.get('content-type')!, ...headers },
    payload: Buffer.from(await encoded.arrayBuffer()),
  })
  return { status: response.statusCode, headers: response.headers, body: response.json() }
}

interface Upload {
  name?: string
  bytes?: string | Uint8Array
  fields?: Record<string, string>
  headers?: Record<string, string>
}
