import { z } from 'zod'
import { AI_MODES } from './predictions.ts'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** `apply` writes to the ticket, `suggest` shows to the agent, `silent` only records. */
const mode = z.enum(AI_MODES)
/** Below this confidence a field is neither written nor shown. */
const threshold = z.number().min(0).max(1)

export const settingsRow = z.object({
  auto_escalate_negative_sentiment: z.boolean(),
  auto_escalate_threshold: z.number(),
  kb_suggestion_enabled: z.boolean(),
  ai_triage_enabled: z.boolean(),
  ai_category_mode: mode,
  ai_priority_mode: mode,
  ai_tags_mode: mode,
  ai_assignee_mode: mode,
  ai_group_mode: mode,
  ai_category_threshold: threshold,
  ai_priority_threshold: threshold,
  ai_tags_threshold: threshold,
  ai_assignee_threshold: threshold,
  ai_group_threshold: threshold,
  /** Texts of the organisation may go to the language model of the installation, redacted and noted. */
  ai_llm_enabled: z.boolean(),
  /** The same for the embedding model: articles, solved tickets and what is searched for become vectors there. */
  ai_embeddings_enabled: z.boolean(),
  /** Who filed a ticket gets a mail on public replies, and on changes of its status. */
  notify_requester_on_reply: z.boolean(),
  notify_requester_on_status: z.boolean(),
})
export type OrganizationSettings = z.infer<typeof settingsRow>

/** What an organisation has that never changed a setting; equal to the columns' defaults. */
const DEFAULTS: OrganizationSettings = {
  auto_escalate_negative_sentiment: false,
  auto_escalate_threshold: 0.7,
  kb_suggestion_enabled: true,
  ai_triage_enabled: true,
  ai_category_mode: 'suggest',
  ai_priority_mode: 'suggest',
  ai_tags_mode: 'suggest',
  ai_assignee_mode: 'suggest',
  ai_group_mode: 'suggest',
  ai_category_threshold: 0.4,
  ai_priority_threshold: 0.4,
  ai_tags_threshold: 0.4,
  ai_assignee_threshold: 0.5,
  ai_group_threshold: 0.5,
  ai_llm_enabled: false,
  ai_embeddings_enabled: false,
  notify_requester_on_reply: false,
  notify_requester_on_status: false,
}

/** The settings of the bound organisation. */
export async function readSettings(db: CommonQueryMethods): Promise<OrganizationSettings> {
  const row = await db.maybeOne(
    prepared(
      'read-settings',
      sql.type(settingsRow)`
    select auto_escalate_negative_sentiment, auto_escalate_threshold, kb_suggestion_enabled, ai_triage_enabled,
           ai_category_mode, ai_priority_mode, ai_tags_mode, ai_assignee_mode,
           ai_category_threshold, ai_priority_threshold, ai_tags_threshold, ai_assignee_threshold, ai_llm_enabled, ai_embeddings_enabled,
           ai_group_mode, ai_group_threshold, notify_requester_on_reply, notify_requester_on_status
      from org_settings where organization_id = bound_organization()`,
    ),
  )
  return row ?? DEFAULTS
}

/** Changes some settings of the bound organisation, and returns them all. */
export async function writeSettings(db: CommonQueryMethods, changes: Partial<OrganizationSettings>): Promise<OrganizationSettings> {
  // Two who change different settings at once must not undo each other: the row is made and locked before it is read.
  await db.query(sql.typeAlias('void')`
    insert into org_settings (organization_id) values (bound_organization()) on conflict (organization_id) do update set updated_at = now()`)
  const wanted = { ...(await readSettings(db)), ...changes }
  return db.one(sql.type(settingsRow)`
    insert into org_settings (organization_id, auto_escalate_negative_sentiment, auto_escalate_threshold, kb_suggestion_enabled, ai_triage_enabled,
                              ai_category_mode, ai_priority_mode, ai_tags_mode, ai_assignee_mode,
                              ai_category_threshold, ai_priority_threshold, ai_tags_threshold, ai_assignee_threshold, ai_llm_enabled, ai_embeddings_enabled,
           ai_group_mode, ai_group_threshold, notify_requester_on_reply, notify_requester_on_status)
    values (bound_organization(), ${wanted.auto_escalate_negative_sentiment}, ${wanted.auto_escalate_threshold}, ${wanted.kb_suggestion_enabled},
            ${wanted.ai_triage_enabled}, ${wanted.ai_category_mode}, ${wanted.ai_priority_mode}, ${wanted.ai_tags_mode}, ${wanted.ai_assignee_mode},
            ${wanted.ai_category_threshold}, ${wanted.ai_priority_threshold}, ${wanted.ai_tags_threshold}, ${wanted.ai_assignee_threshold}, ${wanted.ai_llm_enabled}, ${wanted.ai_embeddings_enabled},
            ${wanted.ai_group_mode}, ${wanted.ai_group_threshold}, ${wanted.notify_requester_on_reply}, ${wanted.notify_requester_on_status})
    on conflict (organization_id) do update
      set auto_escalate_negative_sentiment = excluded.auto_escalate_negative_sentiment, auto_escalate_threshold = excluded.auto_escalate_threshold,
          kb_suggestion_enabled = excluded.kb_suggestion_enabled, ai_triage_enabled = excluded.ai_triage_enabled,
          ai_category_mode = excluded.ai_category_mode, ai_priority_mode = excluded.ai_priority_mode,
          ai_tags_mode = excluded.ai_tags_mode, ai_assignee_mode = excluded.ai_assignee_mode,
          ai_category_threshold = excluded.ai_category_threshold, ai_priority_threshold = excluded.ai_priority_threshold,
          ai_tags_threshold = excluded.ai_tags_threshold, ai_assignee_threshold = excluded.ai_assignee_threshold,
          ai_llm_enabled = excluded.ai_llm_enabled, ai_embeddings_enabled = excluded.ai_embeddings_enabled, ai_group_mode = excluded.ai_group_mode,
          ai_group_threshold = excluded.ai_group_threshold, notify_requester_on_reply = excluded.notify_requester_on_reply,
          notify_requester_on_status = excluded.notify_requester_on_status, updated_at = now()
    returning auto_escalate_negative_sentiment, auto_escalate_threshold, kb_suggestion_enabled, ai_triage_enabled,
              ai_category_mode, ai_priority_mode, ai_tags_mode, ai_assignee_mode,
              ai_category_threshold, ai_priority_threshold, ai_tags_threshold, ai_assignee_threshold, ai_llm_enabled, ai_embeddings_enabled,
           ai_group_mode, ai_group_threshold, notify_requester_on_reply, notify_requester_on_status`)
}
