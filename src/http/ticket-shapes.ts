import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { ticketRow } from '#db/tickets.ts'

export const TAGS_MAX = 20
const TAG_CHARS = 50

/** A ticket in JSON. */
export const ticketSchema = ticketRow.meta({ id: 'Ticket' })

export const subject = z.string().max(LIMITS.SUBJECT_CHARS).regex(/\S/, 'must say something')
export const description = z.string().max(LIMITS.DESCRIPTION_CHARS).regex(/\S/, 'must say something')
export const ticketTag = z.string().min(1).max(TAG_CHARS)
export const ticketTags = z.array(ticketTag).max(TAGS_MAX)
