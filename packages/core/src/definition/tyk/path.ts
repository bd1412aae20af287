import { stringify, type Token } from 'path-to-regexp'
import { describe, isGatewayError } from '../../errors.ts'
import { compileExpression } from '../../session/expression.ts'
import type { TykPathMatching } from '../translation.ts'

export interface TykPathOptions {
  readonly matching: TykPathMatching
  readonly ignoreCase: boolean
  /** Classic paths are regular expressions wherever they look like one; those of OpenAPI are not. */
  readonly expressions: boolean
}

/** What a path of Tyk becomes in the key of an endpoint, behind the method. */
export interface TykPath {
  /** `/stock/:sku`, or `~^/stock/[0-9]+$`. */
  readonly text: string
  /** Two paths with the same signature meet the same requests. */
  readonly signature: string
  readonly warnings: readonly string[]
}

/** Translates a path; on failure says in one sentence what is wrong with it. */
export function translatePath(path: string, options: TykPathOptions): TykPath | string {
  if (path.length > MAX_LENGTH) return `found a path of ${path.length} characters, expected at most ${MAX_LENGTH}`
  const wrong = misuse(path)
  if (wrong !== undefined) return wrong
  if (options.matching !== 'whole') return expressionOf(path, unanchored(path, options.matching))
  const literal = withoutWildcards(path)
  if (options.expressions && /[\\^$|()[\]+?*]/.test(literal)) return expressionOf(path, anchored(toExpression(path)))
  if (!path.startsWith('/')) return `found ${describe(path)}, expected a path that starts with "/"`
  if (literal.includes('*'))
    return `found ${describe(path)}, where "*" is not the start of a segment; "/*" meets any rest`
  return template(path, options)
}

const MAX_LENGTH = 2_000

const PARAMETER = /\{([^}]*)\}/g

/** What no path can mean, whatever it is compared with. */
function misuse(path: string): string | undefined {
  if (/\?[\w.-]+=|#/.test(path)) return `found ${describe(path)}; endpoints are paths, without query and fragment`
  const outside = path.replaceAll(PARAMETER, '')
  const nested = [...path.matchAll(PARAMETER)].some(([, inside = '']) => inside.includes('{'))
  if (nested || /[{}]/.test(outside))
    return `found ${describe(path)}, whose braces are not balanced or lie within each other; write parameters as "{name}"`
  return undefined
}

function withoutWildcards(path: string): string {
  return path.replaceAll(PARAMETER, '').replaceAll('/*', '/')
}

/** As the real gateway makes it: `{x}` and `/*` in the middle are one segment, `/*` else is the rest. */
function toExpression(path: string): string {
  const names = new Set<string>()
  const group = (_: string, name: string): string => {
    if (!/^[A-Za-z]\w*$/.test(name) || names.has(name)) return '([^/]+)'
    names.add(name)
    return `(?P<${name}>[^/]+)`
  }
  return path.replaceAll(PARAMETER, group).replaceAll('/*/', '/[^/]+/').replaceAll('/*', '/.*')
}

/** `prefix` holds paths at their start, `suffix` at their end, `contains` nowhere: its two switches. */
function unanchored(path: string, matching: TykPathMatching): string {
  const source = toExpression(path)
  if (matching === 'prefix' && path.startsWith('/')) return `^${source}`
  return matching === 'suffix' && !source.endsWith('$') ? `${source}$` : source
}

function anchored(source: string): string {
  if (source.includes('|')) return `^(?:${source})$`
  const end = /(?<!\\)(?:\\\\)*\$$/.test(source) ? '' : '$'
  return `${source.startsWith('^') ? '' : '^'}${source}${end}`
}

function expressionOf(path: string, source: string): TykPath | string {
  if (path === '') return 'found an empty path, which meets every request; write a post plugin for all requests'
  try {
    const { matchesEmpty } = compileExpression(source, 'PSTN_DEFINITION_INVALID')
    if (matchesEmpty) return `found ${describe(path)}, an expression that matches the empty path, so every request`
  } catch (error) {
    if (!isGatewayError(error)) throw error
    return error.message
  }
  const counts = [...path.matchAll(PARAMETER)].filter(([, inside = '']) => /^\d+,?\d*$/.test(inside))
  const warnings = counts.map(
    ([count]) => `${count} is read as a parameter, one or more characters, as the real gateway reads it`,
  )
  // What a parameter is called makes no other requests.
  return { text: `~${source}`, signature: `~${source.replaceAll(/\(\?P<\w+>/g, '(')}`, warnings }
}

const PIECE = /\{(?<parameter>[^}]*)\}|(?<segment>\/\*(?=\/))|(?<rest>\/\*)|\/|[^{/]+/g

function template(path: string, { ignoreCase, expressions }: TykPathOptions): TykPath | string {
  if (!expressions && path.includes('?')) return `found ${describe(path)}; endpoints are paths, without query`
  const tokens: Token[] = []
  const warnings: string[] = []
  const names = new Set<string>()
  const counts = new Map<string, number>()
  const unique = (wanted: string): string => {
    let name = wanted
    let n = counts.get(wanted) ?? 1
    while (names.has(name)) name = `${wanted}${(n += 1)}`
    counts.set(wanted, n)
    names.add(name)
    return name
  }
  for (const { 0: piece, groups } of path.matchAll(PIECE)) {
    const { parameter, segment, rest } = groups ?? {}
    if (parameter !== undefined) {
      const [name = '', ...expression] = parameter.split(':')
      if (expression.length > 0)
        warnings.push(`{${parameter}} meets any one segment: as in the real gateway, nobody looks at its expression`)
      tokens.push({ type: 'param', name: unique(name.trim() === '' ? 'segment' : name.trim()) })
    } else if (segment !== undefined) tokens.push(SLASH, { type: 'param', name: unique('segment') })
    // Optional, because the rest may be empty: `/files/*` also meets `/files/`.
    else if (rest !== undefined)
      tokens.push(SLASH, { type: 'group', tokens: [{ type: 'wildcard', name: unique('rest') }] })
    else tokens.push({ type: 'text', value: piece })
  }
  const shape = tokens.map((token) => (token.type === 'text' ? token.value : token.type === 'param' ? ':' : '*'))
  const signature = shape.join('\u0000')
  return { text: stringify({ tokens }), signature: ignoreCase ? signature.toLowerCase() : signature, warnings }
}

const SLASH: Token = { type: 'text', value: '/' }
