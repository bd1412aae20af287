import { type Fault, MAX_DEPTH, Members, type Place, type Placed, type Reading, TOO_DEEP, Unreadable } from './text.ts'

/**
 * JSON by the rules of `JSON.parse`, which says neither on which line something is wrong nor that a key stands there
 * twice: the second of two `hooks` would silently replace the first.
 */
export function readJson(text: string): Reading {
  const reader = new JsonReader(text)
  try {
    const whole = reader.document()
    return { documents: [whole], faults: reader.faults }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { documents: [], faults: [...reader.faults, { offset: error.offset, message: error.message }] }
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const LITERALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
])

class JsonReader {
  readonly faults: Fault[] = []
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): Placed {
    const whole = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#refuse('nothing after the document')
    return whole
  }

  #value(depth: number): Placed {
    this.#skipSpace()
    const offset = this.#at
    if (depth > MAX_DEPTH) throw new Unreadable(offset, TOO_DEEP)
    const first = this.#text[offset]
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#array(depth)
    return { value: first === '"' ? this.#string() : this.#scalar(), place: { offset } }
  }

  #object(depth: number): Placed {
    const offset = this.#at
    const members = new Members()
    this.#items('}', '"," or "}"', () => {
      const key = this.#at
      if (this.#text[key] !== '"') this.#refuse('a key in double quotes')
      const name = this.#string()
      this.#skipSpace()
      if (this.#text[this.#at] !== ':') this.#refuse('":"')
      this.#at += 1
      members.add(name, key, this.#value(depth + 1), this.faults)
    })
    return { value: members.value, place: { offset, inside: members.inside } }
  }

  #array(depth: number): Placed {
    const offset = this.#at
    const value: unknown[] = []
    const inside = new Map<number, Place>()
    this.#items(']', '"," or "]"', () => {
      const item = this.#value(depth + 1)
      inside.set(value.length, item.place)
      value.push(item.value)
    })
    return { value, place: { offset, inside } }
  }

  #items(end: string, expected: string, item: () => void): void {
    this.#at += 1
    this.#skipSpace()
    if (this.#text[this.#at] === end) {
      this.#at += 1
      return
    }
    for (;;) {
      item()
      this.#skipSpace()
      const next = this.#text[this.#at]
      if (next !== ',' && next !== end) this.#refuse(expected)
      this.#at += 1
      if (next === end) return
      this.#skipSpace()
      if (this.#text[this.#at] === end)
        throw new Unreadable(this.#at, `found ${JSON.stringify(end)} after a comma; JSON has no trailing commas`)
    }
  }

  #string(): string {
    const start = this.#at
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const code = this.#text.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        return JSON.parse(this.#text.slice(start, this.#at)) as string
      }
      if (code < SPACE) throw new Unreadable(at, `found ${this.#found(at)} in a text; ${this.#instead(code)}`)
      if (code === BACKSLASH) at += this.#escape(at)
    }
    throw new Unreadable(start, 'found a text without its closing quote')
  }

  #instead(code: number): string {
    if (code === NEWLINE || code === RETURN) return 'close it with a quote, or write \\n for a new line'
    return `write \\u${code.toString(16).padStart(4, '0')}`
  }

  /** How much longer than a backslash an escape is. */
  #escape(at: number): number {
    const length = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(this.#text.slice(at, at + 6))?.[0].length
    if (length === undefined)
      throw new Unreadable(at, `found ${JSON.stringify(this.#text.slice(at, at + 2))}, which is no escape of JSON`)
    return length - 1
  }

  #scalar(): unknown {
    const word = this.#word(this.#at)
    if (LITERALS.has(word)) {
      this.#at += word.length
      return LITERALS.get(word)
    }
    NUMBER.lastIndex = this.#at
    const number = NUMBER.exec(this.#text)?.[0]
    if (number === undefined) this.#refuse('a value')
    this.#at += number.length
    // What follows directly belonged to it: 01, 1.e5, 12px.
    if (/[\w.+-]/.test(this.#text[this.#at] ?? '')) {
      this.#at -= number.length
      this.#refuse('a number as JSON writes it')
    }
    return Number(number)
  }

  #skipSpace(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'none')) this.#at += 1
  }

  #word(at: number): string {
    return /^[\w$.+-]{1,40}/.exec(this.#text.slice(at, at + 40))?.[0] ?? ''
  }

  #found(at: number): string {
    const found = this.#text[at]
    if (found === undefined) return 'the end of the file'
    if (found === '\n' || found === '\r') return 'the end of the line'
    return JSON.stringify(this.#word(at) || String.fromCodePoint(this.#text.codePointAt(at)!))
  }

  #refuse(expected: string): never {
    const comment = /^\/[/*]/.test(this.#text.slice(this.#at, this.#at + 2))
    const found = comment ? 'a comment, which JSON does not have' : this.#found(this.#at)
    throw new Unreadable(this.#at, `found ${found}, expected ${expected}`)
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const NEWLINE = 0x0a
const RETURN = 0x0d
