import { describe, describeUnquoted, GatewayError } from '../errors.ts'
import { refuseUnknownWrites } from './unknown-writes.ts'
import type { LateWitness } from './late.ts'

/** What a name, or a method, may be made of (RFC 9110 5.6.2): it can neither split a message nor be cut by the next hop. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** What a value may be made of (RFC 9110 5.5), for the same reason. */
export const FIELD_VALUE = /^[\t\u0020-\u007E\u0080-\u00FF]*$/
// No server takes a line this long: what is refused here names the plugin that wrote it.
const LONGEST = 65_536

const NOTHING_PUT: readonly (readonly [name: string, value: string])[] = []

/** What every reader of headers may do. Names are case-insensitive; `get` joins repeated fields with `, ` as the platform does. */
export interface ReadonlyHeaders extends Iterable<[name: string, value: string]> {
  /** All values of a field joined with `, ` (`; ` for Cookie), or null when it is absent. */
  get(name: string): string | null
  /** Each field line of that name, in order. */
  getAll(name: string): string[]
  has(name: string): boolean
  /** One string per `Set-Cookie` line, never joined (RFC 6265 3). */
  getSetCookie(): string[]
}

/**
 * Header fields as they came: duplicates, order and spelling are kept, and nothing is parsed or copied until the first
 * change. Iteration yields `[lower-case name, value]` per field line.
 *
 * @example
 * request.headers.set('x-tenant', 'acme')
 * request.headers.getAll('via') // ['1.1 a', '1.1 b']
 */
export class GatewayHeaders implements ReadonlyHeaders {
  /** Flat `[name, value, name, value, ...]`, Node's `rawHeaders` shape; shared with its maker until the first write. */
  #lines: readonly string[]
  readonly #received: readonly string[]
  #own: string[] | undefined
  #touched: Set<string> | undefined
  #put: readonly (readonly [name: string, value: string])[] = NOTHING_PUT
  #witness: LateWitness | undefined

  constructor(lines: readonly string[] = []) {
    this.#lines = lines
    this.#received = lines
  }

  get(name: string): string | null {
    return joinedValues(this.#lines, name.toLowerCase())
  }

  getAll(name: string): string[] {
    const wanted = name.toLowerCase()
    const values: string[] = []
    for (let i = 0; i < this.#lines.length; i += 2) {
      if (sameName(this.#lines[i]!, wanted)) values.push(this.#lines[i + 1]!)
    }
    return values
  }

  has(name: string): boolean {
    for (let i = 0; i < this.#lines.length; i += 2) {
      const line = this.#lines[i]!
      // Nearly all are of another length, and need no copy in lower case.
      if (line.length === name.length && sameName(line, name.toLowerCase())) return true
    }
    return false
  }

  getSetCookie(): string[] {
    return this.getAll('set-cookie')
  }

  /**
   * Replaces every line of that name by one, or by one for each value of a list. A name or value HTTP cannot carry throws
   * `PSTN_HEADER_INVALID`.
   */
  set(name: string, value: string | readonly string[]): void {
    const texts = Array.isArray(value) ? value.map((one) => checked(name, one)) : checked(name, value)
    const lines = this.#write(name)
    if (lines === undefined) return
    if (typeof texts === 'string') replaceIn(lines, name, texts)
    else replaceByMany(lines, name, texts)
  }

  /** Adds a line and keeps the others of that name. Throws as `set` does. */
  append(name: string, value: string): void {
    const text = checked(name, value)
    this.#write(name)?.push(name, text)
  }

  /** Removes every line of that name. */
  delete(name: string): void {
    if (!this.has(name)) return
    const lines = this.#write(name)
    if (lines !== undefined) removeFrom(lines, name.toLowerCase(), 0)
  }

  *[Symbol.iterator](): Generator<[name: string, value: string]> {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i += 2) yield [lines[i]!.toLowerCase(), lines[i + 1]!]
  }

  /** @internal The lines as they stand, for the one who writes them to the wire. */
  static lines(headers: GatewayHeaders): readonly string[] {
    return headers.#lines
  }

  /** @internal The lines as they came, whatever was changed since. */
  static received(headers: GatewayHeaders): readonly string[] {
    return headers.#received
  }

  /** @internal Lower-case names that anybody has changed since the message came in. */
  static changed(headers: GatewayHeaders): ReadonlySet<string> {
    return new Set([...(headers.#touched ?? []), ...headers.#put.map(([name]) => name.toLowerCase())])
  }

  /** @internal Lower-case names that plugins have changed since the message came in. */
  static touched(headers: GatewayHeaders): ReadonlySet<string> | undefined {
    return headers.#touched
  }

  /** @internal From now on a change has no effect and is reported: the message has left. */
  static seal(headers: GatewayHeaders, witness: LateWitness): void {
    headers.#witness = witness
  }

  /** @internal Sets fields the gateway itself has made: nothing to check, and no plugin's doing. */
  static put(headers: GatewayHeaders, fields: readonly (readonly [name: string, value: string])[]): void {
    headers.#put = fields
    const added: string[] = []
    for (const [name, value] of fields) {
      if (headers.has(name)) replaceIn(headers.#ownLines(), name, value)
      else added.push(name, value)
    }
    // In one piece: an array that grows is copied on the way.
    headers.#own = headers.#lines.concat(added)
    headers.#lines = headers.#own
  }

  #write(name: string): string[] | undefined {
    if (this.#witness !== undefined) {
      this.#witness.lateChange()
      return undefined
    }
    this.#touched ??= new Set()
    this.#touched.add(name.toLowerCase())
    return this.#ownLines()
  }

  #ownLines(): string[] {
    if (this.#own === undefined) {
      this.#own = this.#lines.slice()
      this.#lines = this.#own
    }
    return this.#own
  }
}

refuseUnknownWrites(GatewayHeaders.prototype, 'Headers', {}, 'headers.set(name, value)')

/** Headers are changed one by one: an object put in their place would have none of what forwarding needs to know. */
export function wholeHeaders(of: 'request' | 'response'): GatewayError {
  return new GatewayError(
    'PSTN_VALUE_INVALID',
    `${of}.headers cannot be replaced; use ${of}.headers.set(name, value) and delete(name).`,
  )
}

/** The same fields without the ways to change them, for hooks that may only look. */
export function readonlyHeaders(headers: GatewayHeaders, refuse: (what: string) => never): ReadonlyHeaders {
  return Object.freeze({
    get: (name: string) => headers.get(name),
    getAll: (name: string) => headers.getAll(name),
    has: (name: string) => headers.has(name),
    getSetCookie: () => headers.getSetCookie(),
    [Symbol.iterator]: () => headers[Symbol.iterator](),
    set: () => refuse('headers.set'),
    append: () => refuse('headers.append'),
    delete: () => refuse('headers.delete'),
  })
}

/** Header fields by name; a list makes one field line per value. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>

/** Header fields by name, or name and value in pairs, as `Headers` and `Map` have them. */
export type HeadersInput = HeaderFields | Iterable<readonly [name: string, value: string]>

/** The same by name, each as it was given. Throws `PSTN_HEADER_INVALID`. */
export function headerFields(headers: HeadersInput | undefined): HeaderFields | undefined {
  if (headers === undefined || headers === null) return headers
  if (typeof headers !== 'object')
    throw new GatewayError('PSTN_HEADER_INVALID', `Headers cannot be ${describe(headers)}; expected values by name.`)
  if (!isIterable(headers)) return headers
  const fields = new Map<string, string[]>()
  for (const pair of headers) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new GatewayError('PSTN_HEADER_INVALID', `Found ${describe(pair)} among headers; expected [name, value].`)
    const [name, value] = pair as [string, string]
    const values = fields.get(name)
    if (values === undefined) fields.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(Array.from(fields, ([name, values]) => [name, values.length === 1 ? values[0]! : values]))
}

function isIterable(value: object): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function'
}

/** Headers from such fields, behind the lines there are already. Throws `PSTN_HEADER_INVALID`. */
export function headersFrom(fields: HeadersInput | undefined, lines: readonly string[] = []): GatewayHeaders {
  const headers = new GatewayHeaders(lines)
  for (const [name, value] of Object.entries(headerFields(fields) ?? {})) {
    if (Array.isArray(value)) for (const line of value as readonly string[]) headers.append(name, line)
    else headers.append(name, value as string)
  }
  return headers
}

/** All values of a field in flat lines, as `get` joins them; null when it is absent. */
export function joinedValues(lines: readonly string[], lowerCaseName: string): string | null {
  let found: string | null = null
  for (let i = 0; i < lines.length; i += 2) {
    if (!sameName(lines[i]!, lowerCaseName)) continue
    found = found === null ? lines[i + 1]! : `${found}${lowerCaseName === 'cookie' ? '; ' : ', '}${lines[i + 1]!}`
  }
  return found
}

/** Of flat lines, those with a lower-case name that is one of these, or those without. */
export function linesOf(lines: readonly string[], isOne: (name: string) => boolean, wanted: boolean): string[] {
  return lines.filter((_, i) => isOne(lines[i - (i % 2)]!.toLowerCase()) === wanted)
}

/** The first value of a field in flat lines; undefined when it is absent. */
export function firstValue(lines: readonly string[], lowerCaseName: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if (sameName(lines[i]!, lowerCaseName)) return lines[i + 1]
  }
  return undefined
}

/** Compares a name as sent with a lower-case one; the length test settles nearly all of them. */
export function sameName(name: string, lowerCase: string): boolean {
  return name.length === lowerCase.length && (name === lowerCase || name.toLowerCase() === lowerCase)
}

/** One line of that name, in the place and the spelling of the first there was. */
function replaceIn(lines: string[], name: string, text: string): void {
  const wanted = name.toLowerCase()
  for (let i = 0; i < lines.length; i += 2) {
    if (!sameName(lines[i]!, wanted)) continue
    lines[i + 1] = text
    removeFrom(lines, wanted, i + 2)
    return
  }
  lines.push(name, text)
}

function replaceByMany(lines: string[], name: string, texts: readonly string[]): void {
  const wanted = name.toLowerCase()
  const first = lines.findIndex((line, i) => i % 2 === 0 && sameName(line, wanted))
  const spelling = first === -1 ? name : lines[first]!
  if (first !== -1) removeFrom(lines, wanted, first)
  lines.splice(first === -1 ? lines.length : first, 0, ...texts.flatMap((text) => [spelling, text]))
}

function removeFrom(lines: string[], wanted: string, start: number): void {
  for (let i = lines.length - 2; i >= start; i -= 2) {
    if (sameName(lines[i]!, wanted)) lines.splice(i, 2)
  }
}

function checked(name: unknown, value: unknown): string {
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new GatewayError(
      'PSTN_HEADER_INVALID',
      `${describe(name)} is no header name; expected letters, digits and hyphens.`,
    )
  }
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !FIELD_VALUE.test(text)) {
    const hint = Array.isArray(value)
      ? 'set() takes a list, append() one value at a time'
      : 'expected one string without line breaks or characters above U+00FF'
    throw new GatewayError(
      'PSTN_HEADER_INVALID',
      `The header "${name}" cannot carry ${describeUnquoted(value)}; ${hint}.`,
    )
  }
  if (name.length + text.length > LONGEST) {
    throw new GatewayError(
      'PSTN_HEADER_INVALID',
      `The header ${describe(name)} is ${name.length + text.length} characters long; expected at most ${LONGEST}.`,
    )
  }
  return text
}
