import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { attemptRow, deliveryRow } from '#db/deliveries.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import { endpointRow } from '#db/webhooks.ts'
import { isReachable } from '#jobs/public-address.ts'

const URL_CHARS = 2_000
const DESCRIPTION_CHARS = 500
const TYPES_MAX = 50
const SECRET_BYTES = 32
export const OVERLAP_MAX_HOURS = 168

/** Host names are looked at as each delivery is sent; an address that can never be reached is told at once. */
const url = z
  .url({ protocol: /^https?$/ })
  .max(URL_CHARS)
  .refine((text) => URL.canParse(text) && new URL(text).username === '' && new URL(text).password === '', 'must hold no user and no password')
  .refine((text) => URL.canParse(text) && isReachable(new URL(text).hostname), 'is an address of a private network')
const eventTypes = z
  .array(
    z
      .string()
      .max(100)
      .regex(/^(\*|[a-z_]+\.(\*|[a-z_]+))$/, 'must be a type like ticket.created, ticket.* or *'),
  )
  .max(TYPES_MAX)
  .describe('Empty, or *, for all of the work: tickets, comments, articles, suggestions, clocks')

const condition = conditionSchema.nullable().describe('Only events of tickets for which it holds as they stand then; none that is about no ticket')

const fields = { url, description: z.string().max(DESCRIPTION_CHARS), event_types: eventTypes, condition, is_active: z.boolean() }
export const newEndpoint = z.strictObject({
  ...fields,
  description: fields.description.default(''),
  event_types: eventTypes.default([]),
  condition: condition.default(null),
  is_active: fields.is_active.default(true),
})
export const endpointEdit = z.strictObject(fields).partial()

export const endpointSchema = endpointRow.meta({ id: 'Webhook' })
export const endpointWithSecret = endpointRow
  .extend({ secret: z.string().describe('Shown this once: verify with it by the Standard Webhooks rules') })
  .meta({ id: 'WebhookWithSecret' })
export const deliverySchema = deliveryRow.meta({ id: 'WebhookDelivery' })
export const deliveryDetail = deliveryRow
  .extend({ payload: z.unknown(), happened_at: z.date(), attempts: z.array(attemptRow).describe('How each attempt ended, the newest first') })
  .meta({ id: 'WebhookDeliveryDetail' })

export const newSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
