import { z } from 'zod'
import { parseGoDuration } from './go-duration.ts'
import { isPart, pathText, type Problem, type Suspicion } from '../problems.ts'
import { expected } from '../schema.ts'
import { type Fields, isFields } from '../../fields.ts'
import type { Translation } from '../translation.ts'

/** A value, and where it stands in the document. */
export interface Found<T> {
  readonly value: T
  readonly path: string
  /** Where it is when it stands outside the document, at `path` of which that is named. */
  readonly elsewhere?: string | undefined
}

/** What is said about a document, in the order it was found; nothing twice. */
export class Report {
  readonly problems: Suspicion[] = []
  readonly warnings: Problem[] = []
  readonly #said = new Set<string>()

  problem(path: string, message: string, others: Pick<Suspicion, 'meant' | 'elsewhere'> = {}): void {
    if (this.#isNew(path, message)) this.problems.push({ path, message, ...others })
  }

  warn(path: string, message: string): void {
    if (this.#isNew(path, message)) this.warnings.push({ path, message })
  }

  /** Whether a problem has been found there, or around it. */
  concerns(path: string): boolean {
    return this.problems.some((problem) => isPart(path, problem.path))
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
  /** Where it should be stands something else: nothing can be missing in that. */
  readonly #blocked: boolean

  constructor(
    value: unknown,
    report: Report,
    keys: readonly PropertyKey[] = [],
    elsewhere?: Elsewhere,
    blocked = false,
  ) {
    this.value = value
    this.report = report
    this.#keys = keys
    this.#elsewhere = elsewhere
    this.#blocked = blocked
  }

  /** In the document that is reported on. */
  get path(): string {
    return this.#elsewhere?.path ?? pathText(this.#keys)
  }

  /** The last part of its path. */
  get key(): string {
    return String(this.#keys.at(-1))
  }

  /** Where it is outside the document, as a phrase; undefined within. */
  get elsewhere(): string | undefined {
    return this.#phrase(this.#keys)
  }

  /** A value that was made of the one here. */
  found<T>(value: T): Found<T> {
    const { path, elsewhere } = this
    return elsewhere === undefined ? { value, path } : { value, path, elsewhere }
  }

  get present(): boolean {
    return this.value !== undefined && this.value !== null
  }

  at(...keys: readonly (string | number)[]): Place {
    let { value } = this
    let blocked = this.#blocked
    for (const key of keys) {
      blocked ||= value !== undefined && value !== null && typeof value !== 'object'
      const holds = typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      value = holds ? (value as Record<PropertyKey, unknown>)[key] : undefined
    }
    return new Place(value, this.report, [...this.#keys, ...keys], this.#elsewhere, blocked)
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
    return this.found(value === '' ? undefined : value)
  }

  /** Empty ones say nothing. */
  texts(): Found<string | undefined>[] {
    return this.list().flatMap((place) => {
      const found = place.text()
      return found.value === undefined ? [] : [found]
    })
  }

  /** False where it is absent. */
  flag(): Found<boolean> {
    return this.found(this.#read(flag) ?? false)
  }

  number(): Found<number | undefined> {
    return this.found(this.#read(number))
  }

  /** The seconds of `1m30s`. */
  seconds(): Found<number | undefined> {
    const value = this.#read(duration)
    return this.found(value === undefined ? undefined : parseGoDuration(value))
  }

  /** Says nothing where something else stands in its place, which is a problem of its own. */
  missing(expectedThere: string): void {
    if (!this.#blocked && (!this.present || this.value === '')) this.problem(`missing, expected ${expectedThere}`)
  }

  /** `meant`: the key a misspelt one stands for. */
  problem(message: string, meant?: string): void {
    const { elsewhere } = this
    const place = [...this.#keys.slice(0, -1), meant ?? '']
    this.report.problem(this.path, elsewhere === undefined ? message : `${elsewhere}: ${message}`, {
      ...(elsewhere !== undefined && { elsewhere }),
      ...(meant !== undefined && { meant: this.#phrase(place) ?? pathText(place) }),
    })
  }

  warn(message: string): void {
    const { elsewhere } = this
    this.report.warn(this.path, elsewhere === undefined ? message : `${elsewhere}: ${message}`)
  }

  #phrase(keys: readonly PropertyKey[]): string | undefined {
    if (this.#elsewhere === undefined) return undefined
    const parts = [`in ${JSON.stringify(this.#elsewhere.name)}`, pathText(keys)]
    return parts.filter((part) => part !== '').join(', ')
  }

  #read<T>(type: z.ZodType<T>): T | undefined {
    if (!this.present) return undefined
    const parsed = type.safeParse(this.value)
    if (!parsed.success) this.problem(parsed.error.issues[0]!.message)
    return parsed.data
  }
}

/** What becomes of a document nothing can be made of. */
export function untranslated({ problems, warnings }: Report): Translation {
  return { input: undefined, origins: new Map(), elsewhere: new Map(), problems, warnings, active: true }
}
