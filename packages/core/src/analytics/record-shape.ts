import { describe } from '../errors.ts'
import { copyData } from '../session/data.ts'
import { ShapeError } from '../session/shape-error.ts'
import type { AnalyticsRecord, HookTimes } from './record.ts'

type Read<T> = (value: unknown, path: string) => T

/** What is left out, or emptied with `undefined` or `null`, is empty; another type than the field's is a mistake. */
function kind<T>(expected: string, empty: () => T, is: (value: unknown) => boolean, copy?: (value: T) => T): Read<T> {
  return (value, path) => {
    if (value === undefined || value === null) return empty()
    if (!is(value)) throw new ShapeError(path, `is ${describe(value)}; expected ${expected}`)
    return copy === undefined ? (value as T) : copy(value as T)
  }
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime())
const isObject = (value: unknown): boolean => typeof value === 'object' && !Array.isArray(value)

const text = kind('text', () => '', isText)
const flag = kind(
  'true or false',
  () => false,
  (value) => typeof value === 'boolean',
)
const number = kind('a number', () => 0, Number.isFinite)
const date = kind(
  'a Date',
  () => new Date(0),
  isDate,
  (value) => new Date(value),
)
const texts = kind<string[]>(
  'an array of text',
  () => [],
  (value) => Array.isArray(value) && value.every(isText),
  (list) => [...list],
)

const object =
  <T extends object>(fields: { readonly [K in keyof T]-?: Read<T[K]> }): Read<T> =>
  (value, path) => {
    const given = kind<object>('an object', () => ({}), isObject)(value, path) as Readonly<Record<string, unknown>>
    const entries = Object.entries<Read<unknown>>(fields)
    return Object.fromEntries(entries.map(([name, read]) => [name, read(given[name], `${path}.${name}`)])) as T
  }

const hookTimes: Read<HookTimes> = (value, path) => {
  const given = kind<object>('an object', () => ({}), isObject)(value, path)
  return Object.fromEntries(Object.entries(given).map(([hook, ms]) => [hook, number(ms, `${path}.${hook}`)]))
}

/** Every field a record has, and what may stand in it. */
const FIELDS: { readonly [K in keyof AnalyticsRecord]: Read<AnalyticsRecord[K]> } = {
  timestamp: date,
  expireAt: date,
  apiId: text,
  apiName: text,
  apiVersion: text,
  orgId: text,
  apiKey: text,
  alias: text,
  oauthId: text,
  tags: texts,
  method: text,
  host: text,
  path: text,
  rawPath: text,
  originalPath: text,
  originalUrl: text,
  listenPath: text,
  trackPath: flag,
  contentLength: number,
  userAgent: text,
  clientAddress: text,
  responseCode: number,
  code: text as Read<AnalyticsRecord['code']>,
  upgraded: flag,
  latency: object({ totalMs: number, upstreamMs: number, gatewayMs: number, hooks: hookTimes }),
  network: object({ bytesIn: number, bytesOut: number }),
  rawRequest: text,
  rawResponse: text,
}

const NAMES: ReadonlySet<string> = new Set(Object.keys(FIELDS))

/**
 * What plugins have made of a record, as it will be stored: a copy that shares nothing with theirs, every field of its type.
 * What they added is kept where it is JSON data. Throws `ShapeError`.
 */
export function finished(record: AnalyticsRecord): AnalyticsRecord {
  const copy = Object.fromEntries(
    Object.entries<Read<unknown>>(FIELDS).map(([name, read]) => [
      name,
      read(record[name as keyof AnalyticsRecord], name),
    ]),
  )
  for (const [name, value] of Object.entries(record))
    if (!NAMES.has(name) && value !== undefined) copy[name] = copyData(value as unknown, name)
  return copy as unknown as AnalyticsRecord
}
