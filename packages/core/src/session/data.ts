import { describe } from '../errors.ts'
import { isPlain } from '../fields.ts'
import { ShapeError } from './shape-error.ts'

/** A copy of JSON data that shares nothing. What JSON cannot say (a function, a bigint, a cycle) throws with its path. */
export function copyData<T>(value: T, path: string): T {
  return copy(value, path, []) as T
}

function copy(value: unknown, path: string, above: readonly unknown[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw new ShapeError(path, `is ${value}; expected JSON data`)
  }
  if (typeof value !== 'object') throw new ShapeError(path, `is ${describe(value)}; expected JSON data`)
  if (above.includes(value)) throw new ShapeError(path, 'contains itself; expected JSON data')
  if (above.length === MAX_DEPTH) throw new ShapeError(path, `is more than ${MAX_DEPTH} levels deep`)
  const inside = [...above, value]
  if (Array.isArray(value)) return value.map((item, i) => copy(item ?? null, `${path}[${i}]`, inside))
  if (!isPlain(value)) throw new ShapeError(path, `is ${describe(value)}; expected JSON data`)
  const result: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new ShapeError(path, 'has a field "__proto__", which no session may have')
    if (item !== undefined) result[key] = copy(item, `${path}.${key}`, inside)
  }
  return result
}

const MAX_DEPTH = 64

/** Freezes plain data all the way down. */
export function freezeData<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freezeData(inner)
  }
  return value
}
