import type { ServerResponse } from 'node:http'
import type { HeaderLine } from '@postern/core/host'

/**
 * Some fields add up: middleware above may have set a cookie, or said what a cache has to look at, and the answer says more
 * of the same. Node would let one take the place of the other.
 */
export function besideHost(res: ServerResponse, lines: HeaderLine[]): HeaderLine[] {
  const cookies = res.getHeader('set-cookie')
  const vary = res.getHeader('vary')
  if (cookies === undefined && vary === undefined) return lines
  const both = [...lines]
  for (let i = 0; i < both.length; i += 2) {
    const name = String(both[i]).toLowerCase()
    if (name === 'set-cookie' && cookies !== undefined) both[i + 1] = [...textsOf(cookies), ...textsOf(both[i + 1]!)]
    if (name === 'vary' && vary !== undefined) both[i + 1] = union([...textsOf(vary), ...textsOf(both[i + 1]!)])
  }
  return both
}

function textsOf(value: HeaderLine | number): readonly string[] {
  return typeof value === 'object' ? value : [String(value)]
}

function union(lines: readonly string[]): string {
  const names = lines.flatMap((line) => line.split(',')).map((name) => name.trim())
  const known = new Map(names.filter((name) => name !== '').map((name) => [name.toLowerCase(), name]))
  return known.has('*') ? '*' : [...known.values()].join(', ')
}
