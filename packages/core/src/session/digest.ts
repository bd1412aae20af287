import { hash } from 'node:crypto'

/** Of texts that came more than once: callers are few, and ask often. */
const known = new Map<string, string>()

const MOST_KNOWN = 1_000

/** Longer ones are no keys, and would take the place of many. */
const LONGEST_KNOWN = 256

/** Of those that are new one in so many is kept: where each caller comes once, keeping costs more than it gives. */
const KEPT_OF = 16

let unknown = 0

/** SHA-256 in hex. */
export function digest(text: string): string {
  const found = known.get(text)
  if (found !== undefined) return found
  const made = hash('sha256', text, 'hex')
  unknown += 1
  if (unknown % KEPT_OF === 0 && text.length <= LONGEST_KNOWN) keep(text, made)
  return made
}

function keep(text: string, made: string): void {
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(text, made)
}
