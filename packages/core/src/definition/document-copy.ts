import { type Fields, isPlain } from '../fields.ts'
import { pathText, type Problem } from './problems.ts'

/** Deeper data would exhaust the stack of whoever walks it. */
const MAX_DEPTH = 500

/** A document of ours: read once, so that nothing its author does later changes it. What is shared in it stays shared. */
export function copyDocument(document: Fields): { readonly copy: Fields } | Problem {
  const copies = new Map<unknown, unknown>()
  const above = new Set<unknown>()
  const keys: PropertyKey[] = []
  let problem: Problem | undefined

  const wrong = (message: string): undefined => {
    problem ??= { path: pathText(keys), message }
    return undefined
  }
  const part = (owner: object, key: PropertyKey): unknown => {
    keys.push(key)
    try {
      return copied((owner as Record<PropertyKey, unknown>)[key])
    } catch (error) {
      return wrong(`cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      keys.pop()
    }
  }
  const copied = (value: unknown): unknown => {
    const list = Array.isArray(value)
    if (!list && !isPlain(value)) return value
    if (above.has(value)) return wrong('contains itself; expected data that ends somewhere')
    if (copies.has(value)) return copies.get(value)
    if (keys.length > MAX_DEPTH) return wrong(`is more than ${MAX_DEPTH} levels deep`)
    above.add(value)
    const copy = list
      ? Array.from({ length: value.length }, (_, i) => part(value, i))
      : Object.fromEntries(Object.keys(value).map((key) => [key, part(value, key)]))
    above.delete(value)
    copies.set(value, copy)
    return copy
  }

  const copy = copied(document) as Fields
  return problem ?? { copy }
}
