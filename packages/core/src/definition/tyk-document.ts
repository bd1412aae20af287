import { z } from 'zod'
import { parseGoDuration } from './go-duration.ts'
import { pathText, type Problem } from './problems.ts'
import { expected } from './schema.ts'
import type { Fields } from './translation.ts'

/** A value, and where it stands in the document. */
export interface Found<T> {
  readonly value: T
  readonly path: string
}

/** What is said about a document, in the order it was found; nothing twice. */
export class Report {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #said = new Set<string>()

  problem(path: string, message: string): void {
    if (this.#isNew(path, message)) this.problems.push({ path, message })
  }

  warn(path: string, message: string): void {
    if (this.#isNew(path, message)) this.warnings.push({ path, message })
  }

  /** Whether a problem has been found there. */
  concerns(path: string): boolean {
    return this.problems.some((problem) => problem.path === path)
  }

  #isNew(path: string, message: string): boolean {
    const key = `${path}\u0000${message}`
    if (this.#said.has(key)) return false
    this.#said.add(key)
    return true
  }
}

/** A document that is not the one reported on, such as the manifest of a bundle: where it is named, and what it is called. */
interface Elsewhere {
  readonly path: string
  readonly name: string
}

const text = z.string({ error: expected('text') })
const array = z.array(z.unknown(), { error: expected('an array') })
const object = z.custom<Fields>(isFields, { error: expected('an object') })
const flag = z.boolean({ error: expected('true or false') })
const number = z.number({ error: expected('a number') })
const duration = z.string({ error: expected('a duration such as "1m30s"') }).refine((value) => parsedOrEmpty(value), {
  error: expected('a duration such as "1m30s"'),
})

function parsedOrEmpty(value: string): boolean {
  return value === '' || parseGoDuration(value) !== undefined
}

/**
 * A place in a document that nobody has checked. What is read there is checked on the way: a value of another type is
 * reported and counts as absent, as null does.
 */
export class Place {
  readonly value: unknown
  readonly report: Report
  readonly #keys: readonly PropertyKey[]
  readonly #elsewhere: Elsewhere | undefined

  constructor(value: unknown, report: Report, keys: readonly PropertyKey[] = [], elsewhere?: Elsewhere) {
    this.value = value
    this.report = report
    this.#keys = keys
    this.#elsewhere = elsewhere
  }

  /** In the document that is reported on. */
  get path(): string {
    return this.#elsewhere?.path ?? pathText(this.#keys)
  }

  /** The last part of its path. */
  get key(): string {
    return String(this.#keys.at(-1))
  }

  get present(): boolean {
    return this.value !== undefined && this.value !== null
  }

  at(...keys: readonly (string | number)[]): Place {
    let { value } = this
    for (const key of keys) {
      const holds = typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      value = holds ? (value as Record<PropertyKey, unknown>)[key] : undefined
    }
    return new Place(value, this.report, [...this.#keys, ...keys], this.#elsewhere)
  }

  /** The elements of an array; none where it is absent. */
  list(): Place[] {
    return this.#read(array)?.map((_, i) => this.at(i)) ?? []
  }

  /** The fields of an object by name; none where it is absent. */
  entries(): [string, Place][] {
    return Object.keys(this.#read(object) ?? {}).map((key) => [key, this.at(key)])
  }

  /** Undefined where it is absent or empty. */
  text(): Found<string | undefined> {
    const value = this.#read(text)
    return { value: value === '' ? undefined : value, path: this.path }
  }

  texts(): string[] {
    return this.list().flatMap((place) => place.text().value ?? [])
  }

  /** False where it is absent. */
  flag(): Found<boolean> {
    return { value: this.#read(flag) ?? false, path: this.path }
  }

  number(): Found<number | undefined> {
    return { value: this.#read(number), path: this.path }
  }

  /** The seconds of `1m30s`. */
  seconds(): Found<number | undefined> {
    const value = this.#read(duration)
    return { value: value === undefined ? undefined : parseGoDuration(value), path: this.path }
  }

  problem(message: string): void {
    this.report.problem(this.path, this.#placed(message))
  }

  warn(message: string): void {
    this.report.warn(this.path, this.#placed(message))
  }

  #placed(message: string): string {
    if (this.#elsewhere === undefined) return message
    return `in ${JSON.stringify(this.#elsewhere.name)}, ${pathText(this.#keys)}: ${message}`
  }

  #read<T>(type: z.ZodType<T>): T | undefined {
    if (!this.present) return undefined
    const parsed = type.safeParse(this.value)
    if (!parsed.success) this.problem(parsed.error.issues[0]!.message)
    return parsed.data
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
