import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { ConnectionError } from 'fastify'
import type { Socket } from 'node:net'
import type { Problem } from './problem.ts'

const VERDICTS: Readonly<Record<string, { status: number; detail: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'The address and the headers of the request are too long together.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'The request did not arrive in time.' },
}
const NO_HTTP = { status: 400, detail: 'This is no HTTP request that can be read.' }

/** Answers what is no readable request, before there is a request: a problem document as everywhere else. */
export function answerUnreadable(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy()
  const { status, detail } = VERDICTS[error.code] ?? NO_HTTP
  const title = STATUS_CODES[status]!
  const problem: Problem = { type: 'about:blank', title, status, detail, instance: 'about:blank', errors: [], request_id: randomUUID() }
  const body = JSON.stringify(problem)
  socket.write(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
  // Not only ended: whoever sends no more than half a request might hold the connection.
  socket.destroySoon()
}
