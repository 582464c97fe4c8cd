/** What the API answers about tickets, as far as the desk reads it. */

export interface Ticket {
  id: string
  number: number
  subject: string
  description: string
  status: string
  priority: string
  tags: string[]
  requester_id: string
  service_id: string | null
  assigned_to: string | null
  sla_started_at: string | null
  sla_due_at: string | null
  sla_risk_score: number | null
  resolved_at: string | null
  version: number
  created_at: string
  updated_at: string
}

export interface Comment {
  id: string
  author_id: string
  content: string
  is_internal: boolean
  is_ai_generated: boolean
  created_at: string
}

export interface Person {
  id: string
  email: string
  full_name: string
  role: string
  is_active: boolean
}

export interface Service {
  id: string
  name: string
  is_active: boolean
}

export interface TriageField {
  id: string
  field: 'category' | 'priority' | 'tags' | 'assignee' | 'sentiment'
  value: unknown
  confidence: number | null
  mode: string
  threshold: number
  state: string | null
  allowed: string[]
  is_applied: boolean
  why: unknown
  model: string
}

export interface Triage {
  fields: TriageField[]
  sentiment_label: string | null
  sentiment_confidence: number | null
  updated_at: string
}

export interface Citation {
  source_type: 'kb' | 'ticket'
  source_id: string
  title: string
  version: number
  quote: string
}

export interface Suggestion {
  id: string
  content: string
  citations: Citation[]
  confidence: number | null
  model_id: string
  basis?: string
  basis_reason?: string | null
  created_at: string
  expires_at: string
}

export interface KbSuggestion {
  id: string
  article_id: string
  title: string
  excerpt: string
  relevance_score: number
  is_helpful: boolean | null
}

export interface SlaCycle {
  clock: string
  cycle: number
  state: string
  target_seconds: number
  elapsed_seconds: number
  remaining_seconds: number
  started_at: string
  due_at: string | null
  breached_at: string | null
  fulfilled_at: string | null
  intervals: { from: string; to: string; counted_seconds: number }[]
  pauses?: { from: string; to: string | null; reason: string }[]
}

export interface Sla {
  policy: { name: string } | null
  risk: number | null
  risk_basis: string
  risk_history_rows: number
  cycles: SlaCycle[]
}

export interface Attachment {
  id: string
  comment_id: string | null
  filename: string
  content_type: string
  size_bytes: number
  created_at: string
}

export interface Canned {
  id: string
  name: string
  content: string
}

export interface Present {
  user_id: string
  full_name: string
  is_writing: boolean
}

export interface View {
  id: string
  name: string
}
