import type { LateWitness } from './late.ts'
import { encodePath } from './path.ts'
import { refuseUnknownWrites } from './unknown-writes.ts'

interface Pair {
  readonly name: string
  readonly value: string
  /** The bytes as the client sent them; undefined once a plugin wrote the pair. */
  readonly raw: string | undefined
}

/**
 * The query with the interface of `URLSearchParams`. Parameters nobody touched keep their bytes and their order:
 * `?a=%7e&b=1` with `b` set to 2 is sent as `?a=%7e&b=2`.
 */
export class GatewayQuery implements Iterable<[name: string, value: string]> {
  #raw: string
  #pairs: Pair[] | undefined
  #touched = false
  #witness: LateWitness | undefined

  constructor(raw = '') {
    this.#raw = raw
  }

  get size(): number {
    return this.#read().length
  }

  get(name: string): string | null {
    return this.#read().find((pair) => pair.name === name)?.value ?? null
  }

  getAll(name: string): string[] {
    return this.#read()
      .filter((pair) => pair.name === name)
      .map((pair) => pair.value)
  }

  has(name: string, value?: string): boolean {
    return this.#read().some((pair) => pair.name === name && (value === undefined || pair.value === value))
  }

  set(name: string, value: string): void {
    const pairs = this.#read()
    const first = pairs.findIndex((pair) => pair.name === name)
    const pair = { name, value: text(value), raw: undefined }
    if (first === -1) this.#write([...pairs, pair])
    else this.#write(pairs.flatMap((old, i) => (i === first ? [pair] : old.name === name ? [] : [old])))
  }

  append(name: string, value: string): void {
    this.#write([...this.#read(), { name, value: text(value), raw: undefined }])
  }

  delete(name: string, value?: string): void {
    const kept = this.#read().filter((pair) => pair.name !== name || (value !== undefined && pair.value !== value))
    if (kept.length !== this.#read().length) this.#write(kept)
  }

  sort(): void {
    this.#write(this.#read().toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)))
  }

  forEach(callback: (value: string, name: string, query: GatewayQuery) => void): void {
    for (const { name, value } of this.#read()) callback(value, name, this)
  }

  *entries(): Generator<[name: string, value: string]> {
    for (const { name, value } of this.#read()) yield [name, value]
  }

  *keys(): Generator<string> {
    for (const { name } of this.#read()) yield name
  }

  *values(): Generator<string> {
    for (const { value } of this.#read()) yield value
  }

  [Symbol.iterator](): Generator<[name: string, value: string]> {
    return this.entries()
  }

  /** Without the question mark, as `URLSearchParams` has it. */
  toString(): string {
    if (!this.#touched) return this.#raw
    return this.#read()
      .map(({ name, value, raw }) => raw ?? new URLSearchParams([[name, value]]).toString())
      .join('&')
  }

  /** @internal Whether anything was changed since the request came in. */
  static touched(query: GatewayQuery): boolean {
    return query.#touched
  }

  /** @internal Puts another query in place, as one change. */
  static replace(query: GatewayQuery, raw: string): void {
    query.#write(parsePairs(encodePath(raw).replaceAll('#', '%23')))
  }

  /** @internal From now on a change has no effect and is reported. */
  static seal(query: GatewayQuery, witness: LateWitness): void {
    query.#witness = witness
  }

  #read(): Pair[] {
    this.#pairs ??= parsePairs(this.#raw)
    return this.#pairs
  }

  #write(pairs: Pair[]): void {
    if (this.#witness !== undefined) {
      this.#witness.lateChange()
      return
    }
    this.#pairs = pairs
    this.#touched = true
  }
}

refuseUnknownWrites(GatewayQuery.prototype, 'A query', {}, 'query.set(name, value)')

/** As the platform does for authors without a compiler: numbers and the like become text. */
function text(value: unknown): string {
  return String(value)
}

function parsePairs(raw: string): Pair[] {
  if (raw === '') return []
  return raw.split('&').flatMap((piece) => {
    // Letting the platform decode keeps us equal to what an application behind the gateway reads.
    const [decoded] = new URLSearchParams(piece.startsWith('?') ? `%3F${piece.slice(1)}` : piece)
    return decoded === undefined ? [] : [{ name: decoded[0], value: decoded[1], raw: piece }]
  })
}
