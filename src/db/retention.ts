import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const removed = z.object({ count: z.number() })

/** Each of these removes at most `limit` rows, the oldest first where that is cheap, and says how many it removed. */
type Removal = (db: CommonQueryMethods, limit: number) => Promise<number>

/** Drafts of the bound organisation whose time is over; that they were offered and nobody decided stays known. */
export const removeExpiredSuggestions: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from ai_suggestions
       where organization_id = bound_organization()
         and id in (select id from ai_suggestions where organization_id = bound_organization() and expires_at < now() and not is_used limit ${limit})
      returning prediction_id
    ), expired as (
      update ai_predictions set state = 'expired', decided_at = now(), decided_via = 'expiry'
        from gone where organization_id = bound_organization() and ai_predictions.id = gone.prediction_id and state = 'offered'
    ) select count(*) from gone`)

/** What left for a language model: a year shows it. */
export const removeOldEgress: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from ai_egress
       where organization_id = bound_organization()
         and id in (select id from ai_egress where organization_id = bound_organization() and at < now() - interval '1 year' order by id limit ${limit})
      returning id
    ) select count(*) from gone`)

/** What models said of tickets, and how it turned out: two years of it; the weekly figures stay. */
export const removeOldPredictions: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from ai_predictions
       where organization_id = bound_organization()
         and id in (select id from ai_predictions where organization_id = bound_organization() and created_at < now() - interval '2 years' limit ${limit})
      returning id
    ) select count(*) from gone`)

/** So long a prediction of risk is kept: a year to compare with the last one, and a month to look at it. The weekly figures stay. */
const SLA_PREDICTIONS_KEEP_DAYS = 400

/** What was said of the risk of clocks, and what became of them. */
export const removeOldSlaPredictions: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from sla_predictions where organization_id = bound_organization() and id in (
        select id from sla_predictions
         where organization_id = bound_organization() and predicted_at < now() - make_interval(days => ${SLA_PREDICTIONS_KEEP_DAYS})
         order by predicted_at limit ${limit}) returning id
    ) select count(*) from gone`)

/** Answers of the bound organisation that are kept for a repeated request: for a day. */
export const removeOldIdempotencyKeys: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from idempotency_keys where organization_id = bound_organization() and (user_id, key) in (
        select user_id, key from idempotency_keys
         where organization_id = bound_organization() and created_at < now() - interval '24 hours' limit ${limit}) returning key
    ) select count(*) from gone`)

/** Refresh tokens that can no longer be used; for a week they still show a reuse of a stolen one. */
export const removeOldRefreshTokens: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from refresh_tokens where id in (select id from refresh_tokens where expires_at < now() - interval '7 days' limit ${limit}) returning id
    ) select count(*) from gone`)

/** What mails let people do and nobody did in time, accounts that nobody confirmed, and counts whose window is over. */
export async function removeOldAccountRows(db: CommonQueryMethods, limit: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with tokens as (
      delete from mail_tokens where id in (select id from mail_tokens where expires_at < now() limit ${limit})
    ), wishes as (
      delete from registrations where id in (select id from registrations where expires_at < now() limit ${limit})
    )
    delete from attempt_counts where subject in (select subject from attempt_counts where window_ends < now() order by subject limit ${limit} for update skip locked)`)
}

/** How many days a finished job is kept, by its state. */
export interface JobRetention {
  done: number
  cancelled: number
  failed: number
}

/** Finished jobs past their retention. Their events go with the day's partition, never row by row. */
export async function removeOldJobs(db: CommonQueryMethods, keepDays: JobRetention, limit: number): Promise<number> {
  return db.oneFirst(sql.type(removed)`
    with old as materialized (
      select id from job_queue
       where status in ('done', 'cancelled', 'failed')
         and finished_at < now() - make_interval(days => case status when 'done' then ${keepDays.done}::int when 'cancelled' then ${keepDays.cancelled}::int else ${keepDays.failed}::int end)
       order by id limit ${limit} for update skip locked
    ), gone as (
      delete from job_queue using old where job_queue.id = old.id returning job_queue.id
    ) select count(*) from gone`)
}

/** Unique keys whose time is over. */
export const removeOldKeptKeys: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from job_kept_keys where (tenant, job_type, unique_key) in (
        select tenant, job_type, unique_key from job_kept_keys where kept_until < now() limit ${limit} for update skip locked) returning job_id
    ) select count(*) from gone`)

/** Makes the days ahead and drops the days behind of the event log. */
export async function turnEventPartitions(db: CommonQueryMethods, daysAhead: number, keepDays: number): Promise<{ made: number; dropped: number }> {
  return db.one(sql.type(z.object({ made: z.number(), dropped: z.number() }))`
    select ensure_job_event_partitions(${daysAhead}) as made, drop_job_event_partitions(${keepDays}) as dropped`)
}

/** Old slots of schedules: a week of them shows what ran. */
export const removeOldSlots: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from schedule_slots where (schedule_name, slot) in (
        select schedule_name, slot from schedule_slots where at < now() - interval '7 days' limit ${limit}) returning slot
    ) select count(*) from gone`)

/** Deliveries of the bound organisation that ended a month ago. */
export const removeOldDeliveries: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from webhook_deliveries where organization_id = bound_organization() and id in (
        select id from webhook_deliveries
         where organization_id = bound_organization() and created_at < now() - interval '30 days' order by created_at limit ${limit}) returning id
    ) select count(*) from gone`)

/** Snapshots of the bound organisation that no range of a history reaches any more. */
export const removeOldSnapshots: Removal = (db, limit) =>
  db.oneFirst(sql.type(removed)`
    with gone as (
      delete from metrics_snapshots where organization_id = bound_organization() and id in (
        select id from metrics_snapshots
         where organization_id = bound_organization() and snapshot_ts < now() - interval '400 days' order by snapshot_ts limit ${limit}) returning id
    ) select count(*) from gone`)
