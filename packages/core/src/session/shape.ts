import { describe } from '../errors.ts'
import type { JsonSchema } from '../json-schema.ts'
import { nearest } from '../nearest.ts'
import { copyData, freezeData } from './data.ts'
import { ShapeError } from './shape-error.ts'

/** One kind of value: how it is checked, what stands for "not said", and how a Tyk document writes it. */
export interface Shape<T> {
  /** What an absent field means; frozen. */
  readonly empty: T
  /** Checks a value written in TypeScript: unknown keys are mistakes. Undefined is `empty`. */
  readonly parse: (value: unknown, path: string) => T
  /** Reads a document: unknown keys are kept, null is `empty`. */
  readonly fromJson: (value: unknown, path: string) => T
  /** Undefined for `empty`: documents leave out what says nothing. */
  toJson(value: T): unknown
  /** What a document writes where something has to stand, though it says nothing. */
  readonly emptyJson: unknown
  /** What `parse` takes of JSON. */
  readonly schema: JsonSchema
}

export interface Extra {
  /** Fields of the document that postern does not know; written back as they were. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

function wrong(path: string, found: unknown, expected: string): ShapeError {
  return new ShapeError(path, `is ${describe(found)}; expected ${expected}`)
}

function scalar<T>(empty: T, expected: string, is: (value: unknown) => boolean, schema: JsonSchema): Shape<T> {
  const check = (value: unknown, path: string): T => {
    if (!is(value)) throw wrong(path, value, expected)
    return value as T
  }
  return {
    empty,
    parse: (value, path) => (value === undefined ? empty : check(value, path)),
    fromJson: (value, path) => (value === undefined || value === null ? empty : check(value, path)),
    toJson: (value) => (value === empty ? undefined : value),
    emptyJson: empty,
    schema,
  }
}

export const number = scalar(0, 'a number', Number.isFinite, { type: 'number' })
export const integer = scalar(0, 'an integer', Number.isSafeInteger, { type: 'integer' })
export const text = scalar('', 'text', (value) => typeof value === 'string', { type: 'string' })
export const flag = scalar(false, 'true or false', (value) => typeof value === 'boolean', { type: 'boolean' })

export function oneOf<T extends string>(...values: readonly T[]): Shape<T | ''> {
  const expected = values.map((value) => `"${value}"`).join(' or ')
  const known: readonly unknown[] = ['', ...values]
  return scalar<T | ''>('', expected, (value) => known.includes(value), { enum: known })
}

/** The year 5138: later ones are milliseconds by mistake. */
const LATEST_SECOND = 100_000_000_000

/** Unix seconds. Milliseconds are refused: they would never come. What an author worked out may have a fraction. */
export const seconds: Shape<number> = {
  ...integer,
  parse: (value, path) => seconds.fromJson(typeof value === 'number' ? Math.floor(value) : value, path),
  fromJson(value, path) {
    const found = integer.fromJson(value, path)
    if (found > LATEST_SECOND) throw wrong(path, found, 'unix seconds (that looks like milliseconds)')
    return found
  },
  schema: { type: 'number', maximum: LATEST_SECOND },
}

/** Any JSON, kept as it is. */
export const anything: Shape<unknown> = {
  empty: undefined,
  parse: (value, path) => (value === undefined ? undefined : freezeData(copyData(value, path))),
  fromJson: (value, path) => freezeData(copyData(value, path)),
  toJson: (value) => value,
  emptyJson: null,
  schema: {},
}

/** A JSON object whose fields are its author's. */
export const data: Shape<Readonly<Record<string, unknown>>> = {
  empty: Object.freeze({}),
  parse: (value, path) => (value === undefined ? data.empty : record(value, path)),
  fromJson: (value, path) => (value === undefined || value === null ? data.empty : record(value, path)),
  toJson: (value) => (Object.keys(value).length === 0 ? undefined : value),
  emptyJson: {},
  schema: { type: 'object' },
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw wrong(path, value, 'an object')
  return freezeData(copyData(value, path))
}

export function listOf<T>(item: Shape<T>, what: string): Shape<readonly T[]> {
  const empty: readonly T[] = Object.freeze([])
  const each = (value: unknown, path: string, read: Shape<T>['parse']): readonly T[] => {
    if (!Array.isArray(value)) throw wrong(path, value, `an array of ${what}`)
    return Object.freeze(
      value.map((one: unknown, i) => {
        if (one === undefined || one === null) throw wrong(`${path}[${i}]`, one, what)
        return read(one, `${path}[${i}]`)
      }),
    )
  }
  return {
    empty,
    parse: (value, path) => (value === undefined ? empty : each(value, path, item.parse)),
    fromJson: (value, path) => (value === undefined || value === null ? empty : each(value, path, item.fromJson)),
    toJson: (list) => (list.length === 0 ? undefined : list.map((one) => item.toJson(one) ?? item.emptyJson)),
    emptyJson: [],
    schema: { type: 'array', items: item.schema },
  }
}

/** An object whose keys are names its author chose. */
export function mapOf<T>(item: Shape<T>, what: string): Shape<Readonly<Record<string, T>>> {
  const empty: Readonly<Record<string, T>> = Object.freeze({})
  const each = (value: unknown, path: string, read: Shape<T>['parse']): Readonly<Record<string, T>> => {
    if (!isRecord(value)) throw wrong(path, value, `an object of ${what}`)
    const entries = Object.entries(value).map(([key, one]) => [key, read(one, join(path, key))] as const)
    return Object.freeze(Object.fromEntries(entries))
  }
  return {
    empty,
    parse: (value, path) => (value === undefined ? empty : each(value, path, item.parse)),
    fromJson: (value, path) => (value === undefined || value === null ? empty : each(value, path, item.fromJson)),
    toJson: (map) => {
      const entries = Object.entries(map)
      if (entries.length === 0) return undefined
      return Object.fromEntries(entries.map(([key, one]) => [key, item.toJson(one) ?? item.emptyJson]))
    },
    emptyJson: {},
    schema: { type: 'object', additionalProperties: item.schema },
  }
}

/** A value that may be left out altogether. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    empty: undefined,
    parse: (value, path) => (value === undefined ? undefined : shape.parse(value, path)),
    fromJson: (value, path) => (value === undefined || value === null ? undefined : shape.fromJson(value, path)),
    toJson: (value) => (value === undefined ? undefined : (shape.toJson(value) ?? shape.emptyJson)),
    emptyJson: null,
    schema: shape.schema,
  }
}

/** Every field of `T`: its name in a Tyk document, and its shape. */
export type Fields<T> = { readonly [K in Exclude<keyof T, 'extra'>]-?: readonly [json: string, shape: Shape<T[K]>] }

/** An object with known fields. */
export function object<T extends Extra>(what: string, fields: Fields<T>): Shape<T> {
  const table = Object.entries<readonly [json: string, shape: Shape<unknown>]>(fields)
  const byName = new Map(table.map(([name, [, shape]]) => [name, shape]))
  const byJson = new Map(table.map(([name, [json, shape]]) => [json, { name, shape }]))
  const empty = Object.freeze(Object.fromEntries(table.map(([name, [, shape]]) => [name, shape.empty]))) as unknown as T
  return {
    empty,
    parse(value, path) {
      if (value === undefined) return empty
      if (!isRecord(value)) throw wrong(path, value, what)
      const result = { ...empty } as Record<string, unknown>
      for (const [name, given] of Object.entries(value)) {
        const shape = byName.get(name)
        if (shape !== undefined) result[name] = shape.parse(given, join(path, name))
        else if (name === 'extra') result['extra'] = data.parse(given, join(path, name))
        else throw new ShapeError(path, unknownField(name, [...byName.keys()]))
      }
      return Object.freeze(result) as T
    },
    fromJson(value, path) {
      if (value === undefined || value === null) return empty
      if (!isRecord(value)) throw wrong(path, value, what)
      const result = { ...empty } as Record<string, unknown>
      const extra: [string, unknown][] = []
      for (const [json, given] of Object.entries(value)) {
        const field = byJson.get(json)
        if (field === undefined) extra.push([json, given])
        else result[field.name] = field.shape.fromJson(given, join(path, json))
      }
      if (extra.length > 0) result['extra'] = Object.freeze(Object.fromEntries(extra))
      return Object.freeze(result) as T
    },
    toJson(value) {
      const fieldsOf = value as Readonly<Record<string, unknown>>
      const known = table.map(([name, [json, shape]]) => [json, shape.toJson(fieldsOf[name])] as const)
      const said = known.filter(([, given]) => given !== undefined)
      const all = [...said, ...Object.entries(value.extra ?? {})]
      return all.length === 0 ? undefined : Object.fromEntries(all)
    },
    emptyJson: {},
    schema: {
      type: 'object',
      properties: Object.fromEntries(table.map(([name, [, shape]]) => [name, shape.schema])),
      additionalProperties: false,
    },
  }
}

function unknownField(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return `has no field "${name}"; ${meant === undefined ? `known: ${known.join(', ')}` : `did you mean "${meant}"?`}`
}

/** An object that is no list: what a document calls an object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
