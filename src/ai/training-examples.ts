import type { LabelledTicket } from '#db/job-inputs.ts'
import type { Example } from './learning.ts'

/** The newest labelled tickets that a training learns from. */
export const MAX_TRAINING_ROWS = 10_000
/** Fewer chosen priorities than this say nothing about the next one. */
const MIN_PRIORITY_ROWS = 20

/** The text of a ticket as the models read it. */
export function textOf({ subject, description }: { subject: string; description: string }): string {
  return `${subject}\n${description}`
}

/** What teaches each field, the names of services first; null where there is nothing to tell apart yet. */
export function examplesOf(
  tickets: readonly LabelledTicket[],
  services: readonly { name: string; description: string }[],
): Record<'category' | 'priority', Example[] | null> {
  const seeds = services.map(({ name, description }): Example => ({ text: `${name}\n${description}`, label: name, seed: true }))
  const priorities = tickets.flatMap((ticket): Example[] => (ticket.priority ? [{ text: textOf(ticket), label: ticket.priority }] : []))
  return {
    category: services.length > 1 ? [...seeds, ...tickets.map((ticket): Example => ({ text: textOf(ticket), label: ticket.service }))] : null,
    priority: priorities.length >= MIN_PRIORITY_ROWS && priorities.some(({ label }) => label !== priorities[0]!.label) ? priorities : null,
  }
}
