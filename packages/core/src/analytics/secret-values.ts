import { MASK, type Masks } from './masks.ts'

/** Shorter ones are words, or numbers, that stand elsewhere for something else. */
const SHORTEST = 8
const MOST = 256

/** What stood at the secret places of one exchange, to be found wherever else it is: an upstream may say it back. */
export class SecretValues {
  readonly #values = new Set<string>()

  /** Flat `[name, value, ...]`. */
  addFields(lines: readonly string[], masks: Masks): void {
    for (let i = 0; i < lines.length; i += 2) {
      if (!masks.hides(lines[i]!.toLowerCase())) continue
      const value = lines[i + 1]!
      this.#add(value)
      // `Bearer ...`, `Basic ...`
      const [, credential] = /^[\w-]+ +(.+)$/.exec(value) ?? []
      if (credential !== undefined) {
        this.#add(credential)
        const plain = Buffer.from(credential, 'base64').toString('latin1')
        if (/^basic /i.test(value)) for (const text of [plain, plain.slice(plain.indexOf(':') + 1)]) this.#add(text)
      }
      if (/^(?:set-)?cookie$/i.test(lines[i]!))
        for (const pair of value.split(';')) this.#add(pair.slice(pair.indexOf('=') + 1).trim())
    }
  }

  /** As they stand in a request target. */
  addQuery(target: string, masks: Masks): void {
    const mark = target.indexOf('?')
    if (mark === -1) return
    for (const pair of target.slice(mark + 1).split('&'))
      if (masks.url(`?${pair}`) !== `?${pair}`) this.#add(pair.slice(pair.indexOf('=') + 1))
  }

  #add(value: string): void {
    for (const text of spellings(value))
      if (text.length >= SHORTEST && text !== MASK && this.#values.size < MOST) this.#values.add(text)
  }

  /** The text without them; where it is cut off, one that is so too counts as well. */
  removeFrom(text: string, isCut = false): string {
    let clean = text
    for (const value of [...this.#values].toSorted((a, b) => b.length - a.length)) {
      clean = clean.replaceAll(value, MASK)
      const cut = isCut ? startAtEnd(clean, value) : 0
      if (cut > 0) clean = clean.slice(0, -cut) + MASK
    }
    return clean
  }
}

/** How many characters at the end of a text are the start of a value; looks at each character once (Knuth, Morris, Pratt). */
function startAtEnd(text: string, value: string): number {
  const end = text.slice(-(value.length - 1))
  // How much of the value's start ends there, in the value itself and then in the text.
  const borders = new Uint32Array(value.length)
  let length = 0
  const goOn = (character: string): void => {
    while (length > 0 && value[length] !== character) length = borders[length - 1]!
    if (value[length] === character) length += 1
  }
  for (let i = 1; i < value.length; i += 1) {
    goOn(value[i]!)
    borders[i] = length
  }
  length = 0
  for (const character of end) goOn(character)
  return length < SHORTEST / 2 ? 0 : length
}

/** As it is, decoded, escaped for an address, and for JSON. */
function spellings(value: string): string[] {
  const plain = decoded(value)
  const bytes = Buffer.from(plain, 'latin1')
  const escaped = [...bytes].map((byte) => encodedByte(byte)).join('')
  return [value, plain, escaped, JSON.stringify(plain).slice(1, -1)]
}

function encodedByte(byte: number): string {
  const character = String.fromCharCode(byte)
  return /[\w\-.~]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

function decoded(value: string): string {
  return value
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
