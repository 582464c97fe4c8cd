import { createServer } from 'node:http'
import { after } from 'node:test'

export interface FakeEmbeddings {
  url: string
  /** The texts that came in, call by call. */
  calls: string[][]
  /** How it answers: with vectors, a status, or never. */
  answer: 'vectors' | 'silence' | number
}

/** An endpoint that speaks OpenAI's embeddings, whose vectors are what `vectorOf` says of each text. */
export async function fakeEmbeddings(vectorOf: (text: string) => number[]): Promise<FakeEmbeddings> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { input, model } = JSON.parse(body) as { input: string[]; model: string }
      self.calls.push(input)
      if (self.answer === 'silence') return
      if (self.answer !== 'vectors') {
        response.writeHead(self.answer).end('{}')
        return
      }
      const data = input.map((text, index) => ({ object: 'embedding', index, embedding: vectorOf(text) }))
      const usage = { prompt_tokens: 10, total_tokens: 10 }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ object: 'list', model, data, usage }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const self: FakeEmbeddings = { url: `http://127.0.0.1:${port}/v1`, calls: [], answer: 'vectors' }
  return self
}
