import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { after } from 'node:test'

/** What a question looked like when it arrived. */
export interface Question {
  model: string
  system: string
  prompt: string
  body: string
  headers: Record<string, unknown>
}

/** How the server answers: JSON as the model's message, a status, silence, or whatever else a test writes. */
export type Behaviour = (question: Question, response: ServerResponse) => unknown

export interface FakeModel {
  url: string
  questions: Question[]
  answer(behaviour: Behaviour): void
  stop(): Promise<void>
  start(): Promise<void>
}

/** An endpoint that speaks OpenAI's chat completions, as Ollama does, and says what the test tells it to. */
export async function fakeLanguageModel(): Promise<FakeModel> {
  const questions: Question[] = []
  let behaviour: Behaviour = () => ({})
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { model, messages } = JSON.parse(body) as { model: string; messages: { role: string; content: unknown }[] }
      const said = (role: string) => {
        const content = messages.find((message) => message.role === role)?.content ?? ''
        return typeof content === 'string' ? content : JSON.stringify(content)
      }
      const question = { model, system: said('system'), prompt: said('user'), body, headers: request.headers }
      questions.push(question)
      const answer = behaviour(question, response)
      if (answer !== undefined && !response.headersSent) complete(response, typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as { port: number }
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  after(stop)
  return { url: `http://127.0.0.1:${port}/v1`, questions, answer: (next) => (behaviour = next), stop, start: () => listen(port) }
}

function complete(response: ServerResponse, content: string): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'test-model',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 321, completion_tokens: 45, total_tokens: 366 },
    }),
  )
}
