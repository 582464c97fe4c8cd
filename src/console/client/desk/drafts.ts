const PREFIX = 'atum-desk-draft '
/** Drafts that are kept at most; the oldest goes first. */
const DRAFTS_MAX = 50

/** What was written and not sent yet; a reload, a crash or a dead battery takes nothing away. */
export interface Draft {
  kind: 'reply' | 'note'
  text: string
  /** The suggestion that the text began as. */
  suggestion: { id: string; content: string } | null
  at: number
}

export const NO_DRAFT: Draft = { kind: 'reply', text: '', suggestion: null, at: 0 }

/** @param owner the user: who shares a browser does not share drafts */
export function readDraft(owner: string, ticket: string): Draft {
  try {
    const draft = JSON.parse(localStorage.getItem(keyOf(owner, ticket)) ?? 'null') as Draft | null
    return typeof draft?.text === 'string' ? { ...NO_DRAFT, ...draft } : NO_DRAFT
  } catch {
    return NO_DRAFT
  }
}

/** An empty draft is none. */
export function keepDraft(owner: string, ticket: string, draft: Draft): void {
  if (draft.text === '') return localStorage.removeItem(keyOf(owner, ticket))
  try {
    localStorage.setItem(keyOf(owner, ticket), JSON.stringify({ ...draft, at: Date.now() }))
  } catch (error) {
    console.warn('the draft could not be kept', error)
  }
  dropOldest()
}

export const hasDraft = (owner: string, ticket: string): boolean => localStorage.getItem(keyOf(owner, ticket)) !== null

const keyOf = (owner: string, ticket: string): string => `${PREFIX}${owner} ${ticket}`

function dropOldest(): void {
  const drafts = Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => ({ key, at: Number(/"at":(\d+)/.exec(localStorage.getItem(key) ?? '')?.[1] ?? 0) }))
  for (const { key } of drafts.toSorted((a, b) => b.at - a.at).slice(DRAFTS_MAX)) localStorage.removeItem(key)
}
