import type { ScheduleDefinition } from '#db/schedules.ts'

/** What runs by the clock (UTC). */
export const SCHEDULES: readonly ScheduleDefinition[] = [
  { name: 'sla-check', job_type: 'SLA_CHECK', cron: '* * * * *', payload: {}, per_organization: false },
  { name: 'metrics-snapshot', job_type: 'METRICS_SNAPSHOT', cron: '*/5 * * * *', payload: {}, per_organization: true },
  { name: 'ai-quality', job_type: 'METRICS_SNAPSHOT', cron: '30 4 * * 1', payload: { figures: 'ai_quality' }, per_organization: true },
  { name: 'train-model', job_type: 'TRAIN_MODEL', cron: '20 3 * * *', payload: {}, per_organization: true },
  { name: 'follow-events', job_type: 'DELIVER_WEBHOOK', cron: '* * * * *', payload: {}, per_organization: false },
  { name: 'rag-vectors', job_type: 'RAG_INDEX', cron: '*/5 * * * *', payload: { missing_vectors: true }, per_organization: false },
  { name: 'cleanup', job_type: 'CLEANUP', cron: '7 * * * *', payload: {}, per_organization: false },
]
