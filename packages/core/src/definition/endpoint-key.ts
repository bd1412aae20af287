import { METHODS } from 'node:http'
import { parse, PathError, pathToRegexp, type Token } from 'path-to-regexp'
import { isGatewayError } from '../errors.ts'
import { canonicalPath, encodePath, matchForm } from '../http/path.ts'
import { compileExpression, type Expression } from '../session/expression.ts'

/** A token of a path without optional groups. */
export type FlatToken = Exclude<Token, { readonly type: 'group' }>

/** An endpoint key taken apart: the method, and a path or an expression. */
export interface Endpoint {
  readonly key: string
  /** `*` for any. */
  readonly method: string
  /** The path once per combination of its optional groups; empty for an expression. */
  readonly variants: readonly (readonly FlatToken[])[]
  /** The source of what is looked for in a path. */
  readonly expression: string | undefined
}

// 2^8 variants of one path: more optional groups than that are a mistake, and would multiply the tree.
const MAX_VARIANTS = 256
const KNOWN_METHODS: ReadonlySet<string> = new Set(['*', ...METHODS])

/** No request has a longer one. */
const MAX_LENGTH = 16_384

/** Steps a character may take: a request may have a path of 16 KiB, and has to be answered soon all the same. */
const MAX_STEPS = 500

/** Parses `METHOD /path` and `METHOD ~expression`; on failure says in one sentence what is wrong with it. */
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
  if (path.startsWith('~')) return parseExpression(key, method, path.slice(1))
  if (path.length > MAX_LENGTH) return `has ${path.length} characters, expected at most ${MAX_LENGTH}`
  if (!path.startsWith('/')) return `found the path "${path}", expected one that starts with "/"`
  try {
    const { tokens } = parse(path)
    const word = wordBehindSlash(tokens)
    if (word !== undefined)
      return `found "{${word}}", which is the word "${word}" or nothing; write "/:${word}" for a parameter, "{/${word}}" for an optional segment`
    const variants = expand(tokens).map(canonicalTokens)
    const twice = variants.map(repeatedName).find((name) => name !== undefined)
    if (twice !== undefined) return `uses the parameter "${twice}" twice`
    // Some mistakes (two parameters side by side) only show when the expression is built.
    for (const variant of variants) pathToRegexp({ tokens: variant })
    return { key, method, variants, expression: undefined }
  } catch (error) {
    return error instanceof PathError ? syntaxProblem(error) : (error as Error).message
  }
}

/** Without the path, which stands in front of it, and with what would work in place of a link. */
function syntaxProblem({ message }: PathError): string {
  const [problem = ''] = message.split(/: \/|; visit /, 1)
  return `${problem.replace(/at index \d+/, '$& of the path')}; write ":name" for a parameter, "*name" for the rest of a path, "{...}" for what may be left out, and "\\" in front of a character that stands for itself`
}

/** Compiles the expression of an endpoint that `parseEndpointKey` has accepted. */
export function endpointExpression(source: string, ignoreCase: boolean): Expression {
  return compileExpression(source, 'PSTN_DEFINITION_INVALID', ignoreCase)
}

function parseExpression(key: string, method: string, source: string): Endpoint | string {
  if (/^\^?\$?$/.test(source)) return 'expected an RE2 expression behind "~", such as "GET ~^/users/[0-9]+$"'
  try {
    const steps = Math.max(...[false, true].map((ignoreCase) => endpointExpression(source, ignoreCase).steps))
    if (steps > MAX_STEPS) return `is too large: ${steps} steps for a character, expected at most ${MAX_STEPS}`
    return { key, method, variants: [], expression: source }
  } catch (error) {
    if (isGatewayError(error)) return error.message
    throw error
  }
}

/** Two endpoints that share a signature meet the same requests. */
export function signatures({ method, variants, expression }: Endpoint, ignoreCase: boolean): string[] {
  if (expression !== undefined) return [`${method} ~${expression}`]
  return variants.map((tokens) => signature(method, tokens, ignoreCase))
}

function signature(method: string, tokens: readonly FlatToken[], ignoreCase: boolean): string {
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

/** Meant for a parameter by whoever comes from OpenAPI; an endpoint that guards something would guard nothing of it. */
function wordBehindSlash(tokens: readonly Token[]): string | undefined {
  for (const [i, token] of tokens.entries()) {
    if (token.type !== 'group') continue
    const before = tokens[i - 1]
    const [only, ...more] = token.tokens
    const isWord = only?.type === 'text' && more.length === 0 && /^[a-z_]\w*$/i.test(only.value)
    if (isWord && before?.type === 'text' && before.value.endsWith('/')) return only.value
    const inner = wordBehindSlash(token.tokens)
    if (inner !== undefined) return inner
  }
  return undefined
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
  const seen = new Set<string>()
  return names.find((name) => seen.size === seen.add(name).size)
}

/** A letter stands in for a neighbouring parameter: in `/:name.:type` the dot is text, not a dot segment. */
function canonicalText(text: string, after: boolean, before: boolean): string {
  const stood = `${after ? 'x' : ''}${text}${before ? 'x' : ''}`
  const canonical = canonicalPath(encodePath(after ? `/${stood}` : stood))
  if (canonical === undefined) throw new Error(`"${text}" has no canonical spelling`)
  return matchForm(canonical.slice(after ? 2 : 0, before ? -1 : undefined))
}
