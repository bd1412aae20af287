import type { DefinitionSource } from '@postern/core'

/** Where a value stands in a text, by offsets, and what is inside it. */
export interface Place {
  readonly offset: number
  /** Where its key begins; items of arrays and whole documents have none. */
  readonly key?: number
  readonly inside?: ReadonlyMap<string | number, Place>
}

/** A value, and where it and everything in it stands. */
export interface Placed {
  readonly value: unknown
  readonly place: Place
}

/** What is wrong with a text, and where. */
export interface Fault {
  readonly offset: number
  readonly message: string
}

/** What a text says, as far as it says anything. */
export interface Reading {
  readonly documents: readonly Placed[]
  readonly faults: readonly Fault[]
}

/** Deeper data would exhaust the stack of whoever walks it; no definition comes near. */
export const MAX_DEPTH = 200
export const TOO_DEEP = `is more than ${MAX_DEPTH} levels deep`

/** Ends the reading of a text that cannot be understood any further. */
export class Unreadable extends Error {
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

/** Collects an object while it is read, and refuses what two readers would read in two ways. */
export class Members {
  readonly value: Record<string, unknown> = {}
  readonly inside = new Map<string, Place>()

  add(name: string, key: number, { value, place }: Placed, faults: Fault[]): void {
    if (name === '__proto__') faults.push({ offset: key, message: 'found the key "__proto__", which nothing may have' })
    else if (this.inside.has(name))
      faults.push({ offset: key, message: `found the key ${JSON.stringify(name)} for the second time` })
    else {
      this.value[name] = value
      this.inside.set(name, { ...place, key })
    }
  }
}

/** Offsets of a text as lines and columns, from 1. */
export class Lines {
  readonly #starts: number[] = [0]

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  at(offset: number): { line: number; column: number } {
    let [low, high] = [0, this.#starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - this.#starts[low]! + 1 }
  }
}

export function sourceOf(file: string, lines: Lines, { value, place: whole }: Placed): DefinitionSource {
  const beginning = ({ offset, key }: Place): { line: number; column: number } => {
    const ofValue = lines.at(offset)
    const ofKey = key === undefined ? ofValue : lines.at(key)
    return ofKey.line === ofValue.line ? ofValue : ofKey
  }
  return {
    document: value,
    file,
    locate(path, part) {
      let place = whole
      for (const step of path) {
        const next = place.inside?.get(step)
        if (next === undefined) return lines.at(place.key ?? place.offset)
        place = next
      }
      return part === 'key' ? lines.at(place.key ?? place.offset) : beginning(place)
    },
  }
}
