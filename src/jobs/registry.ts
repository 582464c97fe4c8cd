import type { JobType } from './job-type.ts'
import { probe } from './probe.ts'

/** Every kind of job, by name. */
export const jobTypes: ReadonlyMap<string, JobType> = new Map([probe].map((type) => [type.name, type as JobType]))

/** The queues that the kinds of job use. */
export const QUEUES: readonly string[] = [...new Set([...jobTypes.values()].map((type) => type.queue))].toSorted()

/** The kinds of job that a new ticket causes, in its own transaction. */
export const TICKET_JOB_TYPES = ['TRIAGE_TICKET', 'KB_SUGGEST', 'SENTIMENT_ANALYSIS', 'SMART_REPLY', 'SLA_PREDICT'] as const
