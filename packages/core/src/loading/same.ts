import { isPlain } from '../fields.ts'

/**
 * Whether two values of definitions are the same: data by what is in it, everything else (functions, and instances such as a
 * client or a pool, which may be alike outside and not inside) only when it is the very same.
 */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (Array.isArray(one))
    return Array.isArray(other) && one.length === other.length && one.every((item, i) => isSame(item, other[i]))
  if (!isPlain(one) || !isPlain(other)) return false
  const [keys, others] = [Object.keys(one), Object.keys(other)]
  // In order: expressions of endpoints are tried as they are written.
  return keys.length === others.length && keys.every((key, i) => key === others[i] && isSame(one[key], other[key]))
}
