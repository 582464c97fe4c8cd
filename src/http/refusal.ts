import { httpErrors } from '@fastify/sensible'

/** One thing that is wrong with a request, and where: `location` body, `path` tags.0. */
export interface FieldError {
  location: 'body' | 'query' | 'path' | 'header'
  path: string
  message: string
}

/** What a refusal says beyond its status and its sentence. Other members go into the problem as they are. */
export interface RefusalFacts {
  /** A URI that names the kind of problem; without it the status says all. */
  type?: string
  errors?: FieldError[]
  headers?: Record<string, string>
  members?: Record<string, unknown>
}

/** An error that becomes the problem document of this status. */
export function refusal(status: number, detail: string, facts: RefusalFacts = {}): Error {
  return httpErrors.createError(status, detail, { facts })
}

/** What the thrower of a refusal had to say. */
export function factsOf(error: Error): RefusalFacts {
  return (error as Error & { facts?: RefusalFacts }).facts ?? {}
}

/** The one answer for what does not exist and for what is somebody else's. */
export function notFound(what: string): Error {
  return refusal(404, `There is no such ${what}.`)
}
