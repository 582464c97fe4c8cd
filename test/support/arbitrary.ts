import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { Document, Schema } from './openapi.ts'

const DEPTH_MAX = 5
const STRING_CHARS = 40
const ITEMS_MAX = 4
const MINUTES = { low: 480, medium: 240, high: 60, urgent: null }
/** Where the document says in words what a schema would take long to say. */
const IN_WORDS: Readonly<Record<string, unknown>> = {
  definition: { tz: 'Europe/Berlin', week: { mon: [['09:00', '17:00']] }, holidays: ['2027-01-01'], special: {} },
  first_response_minutes: MINUTES,
  next_response_minutes: MINUTES,
  resolution_minutes: MINUTES,
  warnings: [{ percent: 50 }],
  escalations: [{ clock: 'resolution', percent: 100, action: 'notify', to: 'managers' }],
}

/** What values of a schema are made of where the schema itself leaves it open. */
export interface Material {
  /** An id that fits a property of this name: `ticket_id`. */
  id(name: string): Arbitrary<string | number>
  /** Free text. */
  text: Arbitrary<string>
}

/** Values that keep to a schema of the document; recursive ones end after a few levels. */
export function arbitraryOf(document: Document, material: Material, schema: Schema, name = '', depth = 0): Arbitrary<unknown> {
  const of = (child: Schema, childName = name) => arbitraryOf(document, material, child, childName, depth + 1)
  if (schema.$ref) return arbitraryOf(document, material, resolve(document, schema), name, depth)
  if (name in IN_WORDS) return fc.constant(IN_WORDS[name])
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) {
    const shallow = choices.filter((choice) => !isDeep(document, choice))
    return fc.oneof(...(depth >= DEPTH_MAX && shallow.length > 0 ? shallow : choices).map((choice) => arbitraryOf(document, material, choice, name, depth + 1)))
  }
  if (schema.allOf) return of(Object.assign({}, ...schema.allOf.map((part) => resolve(document, part))) as Schema)
  const types = [schema.type ?? (schema.properties ? 'object' : 'any')].flat()
  return fc.oneof(...types.map((type) => ofType(type, schema, name, { of, material, depth })))
}

function resolve(document: Document, schema: Schema): Schema {
  return schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)!]! : schema
}

function isDeep(document: Document, schema: Schema): boolean {
  const { type, properties, items } = resolve(document, schema)
  return (
    type === 'array' || items !== undefined || Object.values(properties ?? {}).some((property) => property.$ref !== undefined || property.items !== undefined)
  )
}

interface Context {
  of: (schema: Schema, name?: string) => Arbitrary<unknown>
  material: Material
  depth: number
}

function ofType(type: string, schema: Schema, name: string, context: Context): Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return objects(schema, context)
    case 'array':
      return arrays(schema, name, context)
    case 'string':
      return strings(schema, name, context.material)
    case 'integer':
      return name.endsWith('_id') ? context.material.id(name) : numbers(schema)
    case 'number':
      return fc.oneof(numbers(schema), fc.double({ min: low(schema), max: Math.min(schema.maximum ?? 1e6, 1e6), noNaN: true, noDefaultInfinity: true }))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), context.material.text, fc.dictionary(fc.constantFrom('a', 'b'), fc.integer()))
  }
}

function objects({ properties = {}, required = [], additionalProperties, propertyNames }: Schema, { of, depth }: Context): Arbitrary<unknown> {
  const known = fc.record(Object.fromEntries(Object.entries(properties).map(([key, child]) => [key, of(child, key)])), {
    requiredKeys: depth >= DEPTH_MAX ? required : required,
  })
  if (typeof additionalProperties !== 'object') return known
  const keys = propertyNames?.enum
    ? fc.constantFrom(...(propertyNames.enum as string[]))
    : propertyNames?.pattern
      ? fc.stringMatching(new RegExp(propertyNames.pattern))
      : fc.constantFrom('a', 'b', 'marker')
  return fc.tuple(known, fc.dictionary(keys, of(additionalProperties), { maxKeys: ITEMS_MAX })).map(([own, more]) => Object.assign(more, own))
}

function arrays({ items, prefixItems, minItems = 0, maxItems = ITEMS_MAX }: Schema, name: string, { of, depth }: Context): Arbitrary<unknown> {
  if (prefixItems) return fc.tuple(...prefixItems.map((item) => of(item)))
  const max = depth >= DEPTH_MAX ? minItems : Math.max(minItems, Math.min(maxItems, ITEMS_MAX))
  return fc.array(of(items ?? {}, name === 'ids' ? 'ticket_id' : name), { minLength: minItems, maxLength: max })
}

function strings({ format, pattern, minLength = 0, maxLength = STRING_CHARS }: Schema, name: string, material: Material): Arbitrary<unknown> {
  if (format === 'uuid') return material.id(name)
  if (format === 'email') return fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.nat({ max: 9_999 })).map(([local, number]) => `${local}${number}@example.com`)
  if (format === 'date-time')
    return fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true }).map((date) => date.toISOString())
  if (format === 'date')
    return fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10))
  if (format === 'uri') return fc.constantFrom('https://example.com/hook', 'http://127.0.0.1:9/hook', 'http://169.254.169.254/latest')
  if (pattern && pattern !== String.raw`\S`) return fc.stringMatching(new RegExp(pattern), { size: 'small' })
  const max = Math.max(minLength, Math.min(maxLength, STRING_CHARS))
  const fit = (text: string): string => text.padEnd(Math.max(minLength, 1), 'x').slice(0, max)
  return material.text.map(fit).map((text) => (/\S/.test(text) ? text : fit(`a${text}`)))
}

const low = ({ minimum, exclusiveMinimum }: Schema): number => minimum ?? (exclusiveMinimum === undefined ? -1_000 : exclusiveMinimum + 1)

/** Mostly small numbers, at times the bounds themselves. */
function numbers(schema: Schema): Arbitrary<number> {
  const min = low(schema)
  const max = Math.min(schema.maximum ?? 1_000_000, Number.MAX_SAFE_INTEGER)
  const near = Math.min(max, min + 20)
  return fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: Math.ceil(min), max: Math.floor(near) }) },
    { weight: 1, arbitrary: fc.constantFrom(Math.ceil(min), Math.floor(max)) },
  )
}

/** Values that belong nowhere. */
export const STRANGE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  9_007_199_254_740_991,
  '',
  ' ',
  '\u0000',
  '\ud800',
  "'; drop table tickets; --",
  '%s%n${7*7}{{1}}',
  '../../etc/passwd',
  '\u{1f4a5}\u202e\u0301',
  'x'.repeat(5_000),
  '00000000-0000-0000-0000-000000000000',
  '9999-99-99T99:99:99Z',
  [],
  [[]],
  {},
  { __proto__: null, constructor: 1 },
  { a: { a: { a: {} } } },
]

/** A value with one thing wrong somewhere: a strange value, a part that is missing, a part too much. */
export function brokenOf(valid: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc.tuple(valid, fc.nat(), fc.constantFrom(...STRANGE), fc.constantFrom('replace', 'remove', 'add', 'whole')).map(([value, position, strange, way]) => {
    if (way === 'whole') return strange
    const places = placesIn(value)
    const place = places[position % Math.max(1, places.length)]
    if (!place) return strange
    const copy = structuredClone(value)
    const parent = place.slice(0, -1).reduce((at, key) => (at as Record<string, unknown>)[key], copy) as Record<string, unknown>
    const key = place.at(-1)!
    if (way === 'remove') delete parent[key]
    else if (way === 'add' && !Array.isArray(parent)) parent['surprise'] = strange
    else parent[key] = strange
    return copy
  })
}

function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => [[...path, key], ...placesIn(child, [...path, key])])
}
