import type { MoodLabel } from '#db/ai-labels.ts'
import type { LabelledTicket, OfferedService } from '#db/job-inputs.ts'
import { contentWords, languageOf } from '#kb/language.ts'
import type { Example } from './learning.ts'
import { moodText } from './mood.ts'
import type { Tagged } from './tag-learning.ts'

/** The newest labelled tickets that a training learns from. */
export const MAX_TRAINING_ROWS = 10_000
/** Fewer chosen values than this say nothing about the next one. */
const MIN_ROWS = 20
/** Of more people than that those are told apart who have had the most tickets. */
const MAX_ASSIGNEES = 100
/** A mood of which there are fewer labels is not told apart; the lexicon goes on reading moods until each has so many. */
const MIN_ROWS_OF_MOOD = 10
const MOODS = ['positive', 'neutral', 'negative'] as const

/** The text of a ticket as the models read it. */
export function textOf({ subject, description }: { subject: string; description: string }): string {
  return `${subject}\n${description}`
}

/** What teaches each field; null where there is nothing to tell apart yet. */
export interface FieldExamples {
  category: Example[] | null
  priority: Example[] | null
  tags: Tagged[] | null
  group: Example[] | null
  assignee: Example[] | null
}

/** What the organisation's tickets teach of each field, after the names and descriptions of what it has to choose from. */
export function examplesOf(tickets: readonly LabelledTicket[], services: readonly OfferedService[]): FieldExamples {
  return {
    category: services.length > 1 ? [...services.map((service) => seedOf(service, service.name)), ...rowsOf(tickets, ({ service }) => service)] : null,
    priority: ifToldApart(rowsOf(tickets, ({ priority }) => priority)),
    tags: tagExamples(tickets),
    group: groupExamples(tickets, services),
    assignee: assigneeExamples(tickets, services),
  }
}

/** What agents said of moods, as the model of moods reads texts; null while some mood was hardly ever named. */
export function moodExamples(labels: readonly MoodLabel[]): Example[] | null {
  const isEnough = MOODS.every((mood) => labels.filter((label) => label.mood === mood).length >= MIN_ROWS_OF_MOOD)
  return isEnough ? labels.map(({ text, mood }) => ({ text: moodText(text), label: mood })) : null
}

/** Of the description the words that mean something: with so little text "in" and "the" would speak for whoever uses them most. */
export function seedOf({ name, description }: Pick<OfferedService, 'name' | 'description'>, label: string): Example {
  return { text: `${name}\n${contentWords(description, languageOf(description)).join(' ')}`, label, seed: true }
}

function rowsOf(tickets: readonly LabelledTicket[], labelOf: (ticket: LabelledTicket) => string | null): Example[] {
  return tickets.flatMap((ticket) => {
    const label = labelOf(ticket)
    return label === null ? [] : [{ text: textOf(ticket), label }]
  })
}

function ifToldApart(rows: Example[]): Example[] | null {
  return rows.length >= MIN_ROWS && rows.some(({ label }) => label !== rows[0]!.label) ? rows : null
}

/** A ticket that somebody has worked on and left without tags teaches that it has none. */
function tagExamples(tickets: readonly LabelledTicket[]): Tagged[] | null {
  const rows = tickets
    .filter(({ tags, priority }) => tags.length > 0 || priority !== null)
    .map((ticket): Tagged => ({ text: textOf(ticket), labels: ticket.tags }))
  if (rows.filter(({ labels }) => labels.length > 0).length < MIN_ROWS) return null
  const names = [...new Set(rows.flatMap(({ labels }) => labels))].toSorted()
  return [...names.map((name): Tagged => ({ text: name, labels: [name], seed: true })), ...rows]
}

function groupExamples(tickets: readonly LabelledTicket[], services: readonly OfferedService[]): Example[] | null {
  const rows = ifToldApart(rowsOf(tickets, ({ group }) => group))
  const seeds = services.flatMap((service) =>
    service.group === null ? [] : [seedOf({ ...service, name: `${service.group}\n${service.name}` }, service.group)],
  )
  return rows && [...seeds, ...rows]
}

function assigneeExamples(tickets: readonly LabelledTicket[], services: readonly OfferedService[]): Example[] | null {
  const counts = Map.groupBy(tickets, ({ assigned_to }) => assigned_to)
  counts.delete(null)
  const known = new Set(
    [...counts]
      .toSorted((a, b) => b[1].length - a[1].length || (a[0]! < b[0]! ? -1 : 1))
      .slice(0, MAX_ASSIGNEES)
      .map(([id]) => id!),
  )
  const rows = ifToldApart(rowsOf(tickets, ({ assigned_to }) => (known.has(assigned_to ?? '') ? assigned_to : null)))
  const seeds = services.flatMap((service) => service.members.filter((id) => known.has(id)).map((id) => seedOf(service, id)))
  return rows && [...seeds, ...rows]
}
