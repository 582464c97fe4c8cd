import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Trainings of an organisation that are kept. */
const KEPT_MODELS = 5

const span = z.object({ started: z.number(), ended: z.number().nullable() })

/** When the clocks of the newest tickets ran, in milliseconds since 1970: from these it follows how busy it was at any instant. */
export async function clockSpans(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof span>[]> {
  return db.any(sql.type(span)`
    select extract(epoch from sla_started_at)::float8 * 1000 as started, extract(epoch from resolved_at)::float8 * 1000 as ended
      from tickets where organization_id = bound_organization() and sla_started_at is not null and status <> 'cancelled'
     order by created_at desc limit ${limit}`)
}

/** How many tickets are worked on now. */
export async function countOpenClocks(db: CommonQueryMethods): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) as count from tickets
     where organization_id = bound_organization() and sla_started_at is not null and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer')`)
}

/** The version of the model that serves; null where none does. */
export async function activeModelVersion(db: CommonQueryMethods): Promise<{ organization_id: string; version: number } | null> {
  return db.maybeOne(sql.type(z.object({ organization_id: z.string(), version: z.number() }))`
    select organization_id, version from sla_models where organization_id = bound_organization() and is_active`)
}

export async function readModel(db: CommonQueryMethods, version: number): Promise<unknown> {
  return db.oneFirst(sql.type(z.object({ model: z.unknown() }))`
    select model from sla_models where organization_id = bound_organization() and version = ${version}`)
}

/** Keeps a training as the next version; an active one takes the place of the one before. @returns its version */
export async function insertSlaModel(
  db: CommonQueryMethods,
  training: { model: unknown; measured: unknown; cases: number; is_active: boolean },
): Promise<number> {
  await db.query(sql.typeAlias('void')`select pg_advisory_xact_lock(hashtextextended('sla-models:' || bound_organization()::text, 0))`)
  if (training.is_active) {
    await db.query(sql.typeAlias('void')`update sla_models set is_active = false where organization_id = bound_organization() and is_active`)
  }
  const version = await db.oneFirst(sql.type(z.object({ version: z.number() }))`
    insert into sla_models (organization_id, version, model, measured, cases, is_active)
    select bound_organization(), coalesce(max(version), 0) + 1, ${JSON.stringify(training.model)}::jsonb, ${JSON.stringify(training.measured)}::jsonb,
           ${training.cases}, ${training.is_active}
      from sla_models where organization_id = bound_organization()
    returning version`)
  await db.query(sql.typeAlias('void')`
    delete from sla_models where organization_id = bound_organization() and not is_active and version <= ${version - KEPT_MODELS}`)
  return version
}

export interface SlaPrediction {
  ticket_id: string
  cycle: number
  risk: number
  basis: string
  model_version: number | null
  target_seconds: number
  elapsed_seconds: number
  solved_early: Date | null
  solved_likely: Date | null
  solved_late: Date | null
}

/** Keeps predictions that say something else than the last ones of their tickets. */
export async function insertPredictions(db: CommonQueryMethods, predictions: readonly SlaPrediction[]): Promise<void> {
  if (predictions.length === 0) return
  await db.query(sql.typeAlias('void')`
    insert into sla_predictions (organization_id, ticket_id, cycle, risk, basis, model_version, target_seconds, elapsed_seconds, solved_early, solved_likely, solved_late)
    select bound_organization(), given.* from jsonb_to_recordset(${JSON.stringify(predictions)}::jsonb) as given (
             ticket_id uuid, cycle integer, risk real, basis text, model_version integer, target_seconds float8, elapsed_seconds float8,
             solved_early timestamptz, solved_likely timestamptz, solved_late timestamptz)
     where exists (select from tickets where organization_id = bound_organization() and tickets.id = given.ticket_id)
       and not exists (
         select from (select * from sla_predictions newest
                       where newest.organization_id = bound_organization() and newest.ticket_id = given.ticket_id order by newest.id desc limit 1) last
          where last.cycle = given.cycle and last.basis = given.basis and last.model_version is not distinct from given.model_version
            and round(last.risk::numeric, 3) = round(given.risk::numeric, 3))`)
}

/** Notes what became of the clocks of which something was predicted. */
export async function scorePredictions(db: CommonQueryMethods, ticketIds: readonly string[]): Promise<void> {
  if (ticketIds.length === 0) return
  await db.query(sql.typeAlias('void')`
    update sla_predictions prediction set breached = cycle.breached_at is not null, scored_at = now()
      from sla_cycles cycle
     where prediction.organization_id = bound_organization() and cycle.organization_id = bound_organization()
       and prediction.ticket_id = any(${sql.array(ticketIds, 'uuid')}) and cycle.ticket_id = prediction.ticket_id
       and cycle.clock = 'resolution' and cycle.cycle = prediction.cycle and (cycle.breached_at is not null or cycle.fulfilled_at is not null)
       and prediction.breached is distinct from (cycle.breached_at is not null)`)
}

const scored = z.object({ basis: z.string(), risk: z.number(), breached: z.boolean(), target_seconds: z.number(), elapsed_seconds: z.number() })

/** The newest predictions of which it is known what came of them; those of clocks that were missed already are none. */
export async function scoredPredictions(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof scored>[]> {
  return db.any(sql.type(scored)`
    select basis, risk::float8 as risk, breached, target_seconds, elapsed_seconds from sla_predictions
     where organization_id = bound_organization() and scored_at is not null and basis <> 'breached' order by scored_at desc limit ${limit}`)
}

/** The same of a span of time, by when it became known. */
export async function scoredPredictionsOf(db: CommonQueryMethods, window: { from: Date; to: Date }, limit: number): Promise<readonly z.infer<typeof scored>[]> {
  return db.any(sql.type(scored)`
    select basis, risk::float8 as risk, breached, target_seconds, elapsed_seconds from sla_predictions
     where organization_id = bound_organization() and scored_at >= ${window.from.toISOString()} and scored_at < ${window.to.toISOString()} and basis <> 'breached'
     order by scored_at desc limit ${limit}`)
}

/** Lets a training serve in the place of the present one, an older one too. @returns false where there is no such training any more */
export async function activateSlaModel(db: CommonQueryMethods, version: number): Promise<boolean> {
  await db.query(sql.typeAlias('void')`select pg_advisory_xact_lock(hashtextextended('sla-models:' || bound_organization()::text, 0))`)
  const found = await db.maybeOne(sql.type(z.object({ version: z.number() }))`
    select version from sla_models where organization_id = bound_organization() and version = ${version}`)
  if (!found) return false
  await db.query(sql.typeAlias('void')`update sla_models set is_active = false where organization_id = bound_organization() and is_active`)
  await db.query(sql.typeAlias('void')`update sla_models set is_active = true where organization_id = bound_organization() and version = ${version}`)
  return true
}

export const trainingRow = z.object({ version: z.number(), cases: z.number(), is_active: z.boolean(), trained_at: z.date(), measured: z.unknown() })

/** The trainings that are kept, the newest first. */
export async function listSlaModels(db: CommonQueryMethods): Promise<readonly z.infer<typeof trainingRow>[]> {
  return db.any(sql.type(trainingRow)`
    select version, cases, is_active, trained_at, measured from sla_models where organization_id = bound_organization() order by version desc`)
}
