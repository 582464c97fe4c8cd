import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { correctionsOf } from '#ai/corrections.ts'
import { fieldFindings } from '#ai/field-findings.ts'
import { ordersIn, withoutOrders } from '#ai/instructions.ts'
import { ownTags } from '#ai/own-tags.ts'
import { readMood } from '#ai/mood-model.ts'
import { triage } from '#ai/triage.ts'
import { textOf, triageModel } from '#ai/triage-model.ts'
import { fieldValue, TRIAGE_FIELDS } from '#db/ai-labels.ts'
import {
  articleQuality,
  countLabels,
  fieldQuality,
  listWeeks,
  modelUse,
  readArticleQuality,
  readFieldQuality,
  readModelUse,
  riskQuality,
} from '#db/ai-quality.ts'
import { egressRow, listEgress } from '#db/egress.ts'
import { readOwnValues } from '#db/own-values.ts'
import { inOrganization } from '#db/pool.ts'
import { readSettings } from '#db/settings.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const question = z
  .strictObject({
    text: z.string().max(LIMITS.DESCRIPTION_CHARS),
    subject: z.string().max(LIMITS.SUBJECT_CHARS),
    description: z.string().max(LIMITS.DESCRIPTION_CHARS),
  })
  .partial()
  .refine(({ text, subject, description }) => /\S/.test([text, subject, description].join('')), 'must have a text')

const classified = z
  .object({
    fields: z.array(
      z.object({
        field: z.enum(TRIAGE_FIELDS),
        value: fieldValue.nullable().describe('Null where nothing is sure enough'),
        confidence: z.number().nullable(),
        threshold: z.number(),
        why: z.unknown(),
      }),
    ),
    sentiment: z.object({ label: z.enum(['positive', 'neutral', 'negative']), score: z.number(), confidence: z.number(), model_id: z.string() }),
    orders: z.array(z.object({ kind: z.string(), words: z.string() })).describe('What in the text speaks to a machine rather than to people'),
    model_id: z.string(),
  })
  .meta({ id: 'Classification' })

const egressQuery = z.strictObject({ ticket_id: z.guid().optional(), limit: limitQuery, cursor: cursorOf(z.int()) })

const DAYS_MAX = 366
const WEEKS_SHOWN = 12
const DAY_MS = 86_400_000
const qualityQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(DAYS_MAX).default(30) })
const quality = z
  .object({
    from: z.date(),
    to: z.date(),
    fields: z.array(fieldQuality),
    labels: z.record(z.string(), z.number()).describe('What agents said of tickets, by field'),
    kb_suggestions: articleQuality,
    language_model: modelUse,
    weekly: z
      .array(z.object({ week: z.string(), fields: z.array(fieldQuality), sla_risk: z.array(riskQuality) }))
      .describe('Whole weeks as they were kept, the newest first'),
  })
  .meta({ id: 'AiQuality' })

/** No ticket: what is classified here is stored nowhere. */
const NOWHERE = '00000000-0000-0000-0000-000000000000'

export const aiRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['AI']

  app.post(
    '/ai/classify',
    { schema: { summary: 'What triage would say of a text; nothing is stored', tags, body: question, response: { 200: classified } } },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const reader = { read: <T>(work: Parameters<typeof inOrganization<T>>[2]) => inOrganization(database.app, organization_id, work) }
      const { text = '', subject = '', description = text } = request.body
      const orders = ordersIn(textOf({ subject, description }))
      const asked = { subject: withoutOrders(subject), description: withoutOrders(description) }
      const [settings, own] = await reader.read(async (tx) => [await readSettings(tx), await readOwnValues(tx)] as const)
      const model = await triageModel(organization_id, reader)
      const found = triage(model, { id: NOWHERE, number: 0, priority: 'medium', status: 'new', version: 1, requester_name: '', ...asked })
      const corrections = await correctionsOf(organization_id, reader)
      const fields = fieldFindings(found, { text: textOf(asked), corrections, own, tags: await ownTags(organization_id, reader), settings })
      const { label, score, confidence, model_id } = await readMood(organization_id, reader, textOf(asked), null)
      return {
        fields: fields.map(({ field, value, confidence, threshold, is_sure, explanation }) => ({
          field,
          value: is_sure ? value : null,
          confidence,
          threshold,
          why: explanation,
        })),
        sentiment: { label, score, confidence, model_id },
        orders,
        model_id: found.model_id,
      }
    },
  )

  app.get(
    '/ai/quality',
    {
      schema: {
        summary: 'What predictions were worth: acceptance, overrides, coverage and calibration by field, of the last days and week by week',
        tags,
        querystring: qualityQuery,
        response: { 200: quality },
      },
    },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const to = new Date()
      const window = { from: new Date(to.getTime() - request.query.days * DAY_MS), to }
      return inOrganization(database.app, organization_id, async (tx) => ({
        ...window,
        fields: [...(await readFieldQuality(tx, window))],
        labels: await countLabels(tx, window),
        kb_suggestions: await readArticleQuality(tx, window),
        language_model: await readModelUse(tx, window),
        weekly: (await listWeeks(tx, WEEKS_SHOWN)).map(({ week, report }) => ({ week, ...report })),
      }))
    },
  )

  app.get(
    '/ai/egress',
    {
      schema: {
        summary: 'Which text left for a language model, when and for which ticket, the newest first',
        tags,
        querystring: egressQuery,
        response: { 200: pageOf(egressRow.meta({ id: 'Egress' })) },
      },
    },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const { ticket_id = null, limit, cursor = null } = request.query
      const rows = await inOrganization(database.app, organization_id, (tx) => listEgress(tx, { ticket_id }, { before: cursor, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        ({ id }) => id,
      )
    },
  )
}
