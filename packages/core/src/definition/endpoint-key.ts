import { METHODS } from 'node:http'
import { parse, pathToRegexp, type Token } from 'path-to-regexp'
import { canonicalPath, encodePath } from '../http/path.ts'

/** A token of a path without optional groups. */
export type FlatToken = Exclude<Token, { readonly type: 'group' }>

/** An endpoint key taken apart: the method, and the path once per combination of its optional groups. */
export interface Endpoint {
  readonly key: string
  /** `*` for any. */
  readonly method: string
  readonly variants: readonly (readonly FlatToken[])[]
}

// 2^8 variants of one path: more optional groups than that are a mistake, and would multiply the tree.
const MAX_VARIANTS = 256
const KNOWN_METHODS: ReadonlySet<string> = new Set(['*', ...METHODS])

/** Parses `METHOD /path`; on failure says in one sentence what is wrong with it. */
export function parseEndpointKey(key: string): Endpoint | string {
  const space = key.indexOf(' ')
  const method = key.slice(0, Math.max(space, 0))
  const path = key.slice(space + 1)
  if (!KNOWN_METHODS.has(method)) {
    const upper = method.toUpperCase()
    if (KNOWN_METHODS.has(upper))
      return `found the method "${method}", expected "${upper}" (methods are case-sensitive)`
    return space > 0 && /^\w+$/.test(method)
      ? `found the method "${method}", which no request has; write "*" for any method`
      : 'expected "METHOD /path", such as "GET /stock/:sku" or "* /health"'
  }
  if (!path.startsWith('/')) return `found the path "${path}", expected one that starts with "/"`
  try {
    const variants = expand(parse(path).tokens).map(canonicalTokens)
    const twice = variants.map(repeatedName).find((name) => name !== undefined)
    if (twice !== undefined) return `uses the parameter "${twice}" twice`
    // Some mistakes (two parameters side by side) only show when the expression is built.
    for (const tokens of variants) pathToRegexp({ tokens })
    return { key, method, variants }
  } catch (error) {
    return (error as Error).message
  }
}

/** Two endpoints with the same signature meet the same requests. */
export function signature(method: string, tokens: readonly FlatToken[], ignoreCase: boolean): string {
  const path = tokens
    .map((token) => (token.type === 'text' ? token.value : token.type === 'param' ? ':' : '*'))
    .join('\u0000')
  return `${method} ${ignoreCase ? path.toLowerCase() : path}`
}

function expand(tokens: readonly Token[]): FlatToken[][] {
  let variants: FlatToken[][] = [[]]
  for (const token of tokens) {
    const endings: FlatToken[][] = token.type === 'group' ? [[], ...expand(token.tokens)] : [[token]]
    variants = variants.flatMap((variant) => endings.map((ending) => variant.concat(ending)))
    if (variants.length > MAX_VARIANTS)
      throw new Error(`too many optional groups: more than ${MAX_VARIANTS} combinations`)
  }
  return variants
}

/** Text in the spelling that requests are compared in, so that `/café` and `/caf%c3%a9` are one pattern. */
function canonicalTokens(tokens: readonly FlatToken[]): FlatToken[] {
  const merged: FlatToken[] = []
  for (const token of tokens) {
    const last = merged.at(-1)
    if (token.type === 'text' && last?.type === 'text')
      merged[merged.length - 1] = { type: 'text', value: last.value + token.value }
    else merged.push(token)
  }
  return merged.map((token, i) => {
    if (token.type !== 'text') return token
    return { type: 'text', value: canonicalText(token.value, i > 0, i < merged.length - 1) }
  })
}

function repeatedName(tokens: readonly FlatToken[]): string | undefined {
  const names = tokens.flatMap((token) => (token.type === 'text' ? [] : [token.name]))
  return names.find((name, i) => names.indexOf(name) !== i)
}

/** A letter stands in for a neighbouring parameter: in `/:name.:type` the dot is text, not a dot segment. */
function canonicalText(text: string, after: boolean, before: boolean): string {
  const stood = `${after ? 'x' : ''}${text}${before ? 'x' : ''}`
  const canonical = canonicalPath(encodePath(after ? `/${stood}` : stood))
  if (canonical === undefined) throw new Error(`"${text}" has no canonical spelling`)
  return canonical.slice(after ? 2 : 0, before ? -1 : undefined)
}
