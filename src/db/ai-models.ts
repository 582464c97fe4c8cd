import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const MODEL_FIELDS = ['category', 'priority', 'tags', 'group', 'assignee', 'sentiment'] as const
export type ModelField = (typeof MODEL_FIELDS)[number]

/** So many versions of a field keep their weights, and can be made to answer again. */
const KEPT_VERSIONS = 5

const measured = { measured_rows: z.number().nullable(), accuracy: z.number().nullable(), calibration_error: z.number().nullable() }
const version = z.object({
  field: z.enum(MODEL_FIELDS),
  version: z.number(),
  model_id: z.string(),
  trained_rows: z.number(),
  labels: z.number(),
  ...measured,
  is_active: z.boolean(),
  has_weights: z.boolean(),
  verdict: z.string(),
  trained_at: z.date(),
})
export type ModelVersion = z.infer<typeof version>

export interface NewModel {
  field: ModelField
  model_id: string
  trained_rows: number
  labels: number
  measured: { rows: number; accuracy: number; ece: number } | null
  weights: Buffer
  /** Whether it answers from now on. */
  activate: boolean
  /** Why, or why not. */
  verdict: string
}

/** Keeps a training as the next version of its field. The same model twice is one version. @returns its number, null where it was there */
export async function insertModel(db: CommonQueryMethods, model: NewModel): Promise<number | null> {
  const made = await db.maybeOne(sql.type(z.object({ version: z.number() }))`
    insert into ai_models (organization_id, field, model_id, trained_rows, labels, measured_rows, accuracy, calibration_error, version, weights, verdict)
    select bound_organization(), ${model.field}, ${model.model_id}, ${model.trained_rows}, ${model.labels},
           ${model.measured?.rows ?? null}, ${model.measured?.accuracy ?? null}, ${model.measured?.ece ?? null},
           coalesce((select max(version) from ai_models where organization_id = bound_organization() and field = ${model.field}), 0) + 1,
           ${sql.binary(model.weights)}, ${model.verdict}
    on conflict (organization_id, field, model_id) do nothing
    returning version`)
  if (!made) {
    // What is learned once more is up to date: that counts as a training, or the next label would ask for another one.
    await db.query(sql.typeAlias('void')`
      update ai_models set trained_at = now() where organization_id = bound_organization() and field = ${model.field} and model_id = ${model.model_id}`)
    return null
  }
  if (model.activate) await activateModel(db, model.field, made.version)
  await db.query(sql.typeAlias('void')`
    update ai_models set weights = null
     where organization_id = bound_organization() and field = ${model.field} and not is_active and version <= ${made.version - KEPT_VERSIONS} and weights is not null`)
  return made.version
}

/** Lets a version answer in the place of the present one. @returns false where there is no such version, or its weights are gone */
export async function activateModel(db: CommonQueryMethods, field: ModelField, number: number): Promise<boolean> {
  const found = await db.maybeOne(sql.type(z.object({ id: z.string() }))`
    select id from ai_models where organization_id = bound_organization() and field = ${field} and version = ${number} and weights is not null for update`)
  if (!found) return false
  await db.query(sql.typeAlias('void')`
    update ai_models set is_active = false where organization_id = bound_organization() and field = ${field} and is_active`)
  await db.query(
    sql.typeAlias('void')`update ai_models set is_active = true, activated_at = now() where organization_id = bound_organization() and id = ${found.id}`,
  )
  return true
}

/** Every version of the bound organisation's models, the newest first. */
export async function listModels(db: CommonQueryMethods, limit: number): Promise<readonly ModelVersion[]> {
  return db.any(sql.type(version)`
    select field, version, model_id, trained_rows, labels, measured_rows, accuracy, calibration_error, is_active, weights is not null as has_weights,
           verdict, trained_at
      from ai_models where organization_id = bound_organization() order by field, version desc limit ${limit}`)
}

const active = z.object({
  field: z.enum(MODEL_FIELDS),
  version: z.number(),
  model_id: z.string(),
  trained_rows: z.number(),
  trained_at: z.date(),
  accuracy: z.number().nullable(),
})
export type ActiveModel = z.infer<typeof active>

/** The versions that answer for the bound organisation, without their weights: cheap enough to ask with each job. */
export async function activeModels(db: CommonQueryMethods): Promise<readonly ActiveModel[]> {
  return db.any(sql.type(active)`
    select field, version, model_id, trained_rows, trained_at, accuracy
      from ai_models where organization_id = bound_organization() and is_active order by field`)
}

/** The weights of the version that answers; null where none does. */
export async function activeWeights(db: CommonQueryMethods, field: ModelField): Promise<Buffer | null> {
  const row = await db.maybeOne(sql.type(z.object({ weights: z.instanceof(Buffer) }))`
    select weights from ai_models where organization_id = bound_organization() and field = ${field} and is_active`)
  return row?.weights ?? null
}
