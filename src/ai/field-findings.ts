import { PRIORITIES } from '#db/job-inputs.ts'
import { TRIAGE_FIELDS } from '#db/ai-labels.ts'
import type { FieldValue, TriageField } from '#db/ai-labels.ts'
import type { OwnValues } from '#db/own-values.ts'
import type { AiMode } from '#db/predictions.ts'
import type { OrganizationSettings } from '#db/settings.ts'
import type { TriageFinding } from '#db/triage.ts'
import { contentWords, languageOf } from '#kb/language.ts'
import type { Language } from '#kb/language.ts'
import { corrected, saidOf } from './corrections.ts'
import type { Corrections, Said } from './corrections.ts'

const MAX_TAGS = 5

/** What is said of one field, with the reasons, and how far the organisation lets it go. */
export interface FieldFinding {
  field: TriageField
  /** The best guess among the organisation's own values, also where it is not sure enough; null without any. */
  value: FieldValue | null
  confidence: number | null
  mode: AiMode
  threshold: number
  /** Sure enough by the model and by the organisation's threshold. */
  is_sure: boolean
  explanation: Record<string, unknown>
}

/** What stands beside a model's finding: the text, what agents said, and what the organisation has to choose from. */
export interface Context {
  text: string
  corrections: Corrections
  own: OwnValues
  tags: ReadonlySet<string>
  settings: OrganizationSettings
}

/** What a model found, field by field: after what agents said of like tickets, and of the organisation's own values alone. */
export function fieldFindings(found: TriageFinding, { text, corrections, own, tags, settings }: Context): FieldFinding[] {
  let categories: Ranked = []
  const language = languageOf(text)
  return TRIAGE_FIELDS.map((field): FieldFinding => {
    const said = saidOf(corrections, text, field, found.ticket_id)
    const { scores, reason, why } = field === 'group' && !found.explanation.group ? groupOf(categories, own, found) : modelSays(found, field, language)
    const after = said.length > 0 ? corrected(scores, said) : scores
    const ranked = [...after].filter(([value]) => isOwn(own, tags, field, value)).toSorted((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
    if (field === 'category') categories = ranked
    const threshold = settings[`ai_${field}_threshold`]
    const kept = field === 'tags' ? ranked.filter(([, score]) => score >= threshold).slice(0, MAX_TAGS) : ranked.slice(0, 1)
    // Several tags are as sure as the least sure of them.
    const confidence = kept.length > 0 ? Math.min(1, Math.min(...kept.map(([, score]) => score))) : null
    const speaksUp = reason === null || said.some((one) => one.is_right && kept.some(([value]) => [one.value].flat().includes(value)))
    const is_sure = confidence !== null && confidence >= threshold && speaksUp
    return {
      field,
      value: kept.length === 0 ? null : field === 'tags' ? kept.map(([value]) => value) : kept[0]![0],
      confidence,
      mode: settings[`ai_${field}_mode`],
      threshold,
      is_sure,
      explanation: {
        ...why,
        ...(is_sure ? {} : { reason: reason ?? (confidence === null ? 'nothing speaks for any value' : NOT_SURE) }),
        ...(said.length > 0 ? { said: said.map(shown) } : {}),
        nearest: found.explanation.nearest,
      },
    }
  })
}

type Ranked = readonly (readonly [value: string, score: number])[]

/** Until groups are learned of: the ones that work on the services that speak loudest, together; none where no service has a group. */
function groupOf(categories: Ranked, own: OwnValues, { explanation }: TriageFinding): ModelSays {
  const scores = new Map<string, number>()
  const services: string[] = []
  for (const [name, score] of categories) {
    const group = own.services.find((service) => service.name === name)?.group
    if (!group) continue
    scores.set(group, (scores.get(group) ?? 0) + score)
    services.push(name)
  }
  const { reason } = explanation.category
  if (scores.size === 0) return { scores, reason: 'no group works on these services', why: {} }
  return { scores, reason: reason === undefined || reason === NOT_SURE ? null : reason, why: { services } }
}

const NOT_SURE = 'not sure enough'

interface ModelSays {
  scores: Map<string, number>
  /** Why the model itself would not suggest its best guess; null where it would. */
  reason: string | null
  why: Record<string, unknown>
}

function modelSays({ explanation }: TriageFinding, field: TriageField, language: Language): ModelSays {
  if (field === 'tags') {
    const shares = explanation.tags.map(({ value, share }) => ({ value, share }))
    const words = [...new Set(explanation.tags.flatMap((tag) => tag.words ?? []))].filter((each) => contentWords(each, language).length > 0)
    return {
      scores: new Map(shares.map(({ value, share }) => [value, share])),
      reason: explanation.tags_reason ?? null,
      why: { shares, ...(words.length > 0 ? { words: words.map((each) => ({ words: each })) } : {}) },
    }
  }
  const { reason = null, words, sure, ...rest } = explanation[field] ?? {}
  // Words that every text has may tip the scales, but tell an agent nothing.
  const why = words ? { ...rest, words: words.filter((each) => contentWords(each.words, language).length > 0) } : rest
  const scores = new Map((why.candidates ?? []).map(({ label, confidence }) => [label, confidence]))
  // Of a text that is unlike all others the model is less sure than the shares say, which add up to one for any text.
  const best = why.candidates?.[0]
  if (best && sure !== undefined && sure < best.confidence) for (const [label, score] of scores) scores.set(label, (score * sure) / best.confidence)
  return { scores, reason, why }
}

/** Whether the organisation has such a value: no model can name another. */
function isOwn(own: OwnValues, tags: ReadonlySet<string>, field: TriageField, value: string): boolean {
  if (field === 'category') return own.services.some(({ name }) => name === value)
  if (field === 'priority') return (PRIORITIES as readonly string[]).includes(value)
  if (field === 'group') return own.groups.some(({ name }) => name === value)
  return field === 'tags' ? tags.has(value) : own.staff.includes(value)
}

const shown = ({ similarity, ...said }: Said) => ({ ...said, similarity: Math.round(similarity * 10_000) / 10_000 })
