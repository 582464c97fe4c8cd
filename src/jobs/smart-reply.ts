import { ordersIn } from '#ai/instructions.ts'
import { languageModel } from '#ai/language-model.ts'
import type { Answered, LanguageModel } from '#ai/language-model.ts'
import { readLlmConfig } from '#ai/llm-config.ts'
import { NoAnswer } from '#ai/remote-model.ts'
import { textOf } from '#ai/triage-model.ts'
import { noteDependency } from '#db/dependencies.ts'
import { endEgress, insertEgress } from '#db/egress.ts'
import type { TicketText } from '#db/job-inputs.ts'
import { readSettings } from '#db/settings.ts'
import { dropSmartReply, offerSmartReply } from '#db/suggestions.ts'
import type { SmartReply } from '#db/suggestions.ts'
import { articleIndex, solvedIndex } from '#kb/library.ts'
import { draftReply, replySources } from '#kb/reply.ts'
import type { Source } from '#kb/reply.ts'
import { briefOf, checkedReply, writtenShape } from '#kb/written-reply.ts'
import type { Written } from '#kb/written-reply.ts'
import { metrics } from '#metrics.ts'
import type { JobType, Outcome, RunningJob } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

/**
 * Drafts an answer from public articles and from answers that solved like tickets, with citations, or honestly none. Where
 * the installation has a language model and the organisation wants it, that writes from the same sources; where it fails,
 * the quoted answer says so.
 */
export const smartReply: JobType<TicketPayload> = {
  name: 'SMART_REPLY',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 120_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const settings = await job.read(readSettings)
    if (!settings.kb_suggestion_enabled) return { kind: 'succeed', result: { draft: null, reason: 'the organisation has turned suggestions off' } }
    const none = (reason: string): Outcome => ({ kind: 'succeed', result: { draft: null, reason }, writes: (tx) => dropSmartReply(tx, ticket.id) })
    if (ordersIn(textOf(ticket)).length > 0) return none('the text of the ticket gives orders to a machine: a person answers it')
    const organizationId = organizationOf(job)
    const sources = replySources(ticket, await articleIndex(organizationId, job), await solvedIndex(organizationId, job))
    job.signal.throwIfAborted()
    const quoted = draftReply(ticket, sources)
    if (!quoted) return none('no article and no earlier answer is close enough to the ticket')
    const draft = await (settings.ai_llm_enabled
      ? write(job, ticket, sources, quoted)
      : { ...quoted, basis_reason: 'the organisation wants no language model' })
    const { content, confidence, citations, basis, basis_reason } = draft
    return {
      kind: 'succeed',
      result: { draft: content, confidence, citations: citations.length, basis, basis_reason },
      writes: async (tx) => {
        await offerSmartReply(tx, draft)
        metrics.aiConfidence.observe({ field: 'smart_reply' }, confidence)
      },
    }
  },
}

/** What the language model wrote, or the quoted answer with the reason why not. */
async function write(
  job: RunningJob<TicketPayload>,
  ticket: TicketText,
  sources: readonly Source[],
  quoted: Omit<SmartReply, 'basis_reason'>,
): Promise<SmartReply> {
  const config = readLlmConfig()
  if (!config.LLM_ENABLED) return { ...quoted, basis_reason: 'no language model is set' }
  const model = languageModel(config)
  if (model.isOpen) return { ...quoted, basis_reason: 'the language model failed often, and is left alone for a while' }
  try {
    const written = await askAndNote(job, model, ticket, sources)
    return { ...written, model_id: `${config.LLM_MODEL}@${model.endpoint}`, basis_reason: null }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error
    return { ...quoted, basis_reason: error.message }
  }
}

/**
 * One question to the model, with its row in the ledger. The row is written in a transaction of its own, before the text
 * leaves: what left has left, whatever becomes of this attempt.
 */
async function askAndNote(job: RunningJob<TicketPayload>, model: LanguageModel, ticket: TicketText, sources: readonly Source[]) {
  const { system, prompt, redactions } = briefOf(ticket, sources)
  const { endpoint } = model
  const text = `${system}\n\n${prompt}`
  const egress = { ticket_id: ticket.id, job_id: job.id, purpose: 'smart_reply' as const, endpoint, model: model.config.LLM_MODEL, text, redactions }
  const id = await job.read((db) => insertEgress(db, egress))
  const began = performance.now()
  let answer: Answered<Written> | null = null
  let fault: NoAnswer | null = null
  try {
    answer = await model.ask({ system, prompt, schema: writtenShape, signal: job.signal })
    return checkedReply(ticket, sources, answer.value)
  } catch (error) {
    fault = error instanceof NoAnswer ? error : new NoAnswer('failed', 'the attempt was broken off')
    throw error
  } finally {
    const { input_tokens = null, output_tokens = null, cost = null, seconds = (performance.now() - began) / 1_000 } = answer ?? {}
    const end = { outcome: fault?.kind ?? ('answered' as const), detail: fault?.message ?? null, input_tokens, output_tokens, cost, seconds }
    await job.read(async (db) => {
      await endEgress(db, id, end)
      await noteDependency(db, { name: 'language_model', circuit: model.circuit, answered: end.outcome !== 'failed' })
    })
  }
}
