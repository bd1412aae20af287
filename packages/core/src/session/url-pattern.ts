import { GatewayError, type GatewayErrorCode, isGatewayError } from '../errors.ts'
import { compileExpression } from './expression.ts'

/** A path of `allowedUrls` or `endpoints`, ready to be asked. */
export interface UrlPattern {
  /** Whether the whole path matches. */
  matches(path: string): boolean
  /** Why the pattern is none; it then matches nothing. */
  readonly problem: GatewayError | undefined
}

/**
 * The pattern of a text: an RE2 expression in which `{name}` is one segment, and `/*` the rest of the path or, before
 * another `/`, one segment. It is anchored at both ends; a path that is spelt like the pattern matches as well.
 */
export function compileUrl(pattern: string): UrlPattern {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const made = compile(pattern)
  if (compiled.size >= MOST_COMPILED) compiled.delete(compiled.keys().next().value!)
  compiled.set(pattern, made)
  return made
}

// By text, and bounded: a plugin may make a new session, with new objects and new texts, for every request.
const compiled = new Map<string, UrlPattern>()
const MOST_COMPILED = 1000

/** Throws `code` for a text that is no pattern: one that no path can ever match is a mistake, too. */
export function checkUrl(pattern: string, code: GatewayErrorCode = 'PSTN_SESSION_INVALID'): void {
  const { problem } = compileUrl(pattern)
  if (problem !== undefined) throw new GatewayError(code, problem.message, { cause: problem.cause })
}

function compile(pattern: string): UrlPattern {
  if (PLAIN.test(pattern)) return { matches: (path) => path === pattern, problem: undefined }
  try {
    const source = sourceOf(pattern)
    const expression = compileExpression(source, 'PSTN_SESSION_INVALID')
    return { matches: (path) => path === pattern || expression.matchesAll(path), problem: undefined }
  } catch (error) {
    // Whoever asks for the problem is told; a path is never let through by a pattern nobody understands.
    if (isGatewayError(error)) return { matches: () => false, problem: error }
    throw error
  }
}

/** Nothing in it means anything to an expression. */
const PLAIN = /^[\w/~%:@!,;=&'-]+$/

function sourceOf(pattern: string): string {
  if (/^\^?\$?$/.test(pattern))
    throw new GatewayError(
      'PSTN_SESSION_INVALID',
      `The path ${JSON.stringify(pattern)} is empty; expected a path or an RE2 expression.`,
    )
  return withSegments(pattern)
    .replaceAll(/\/\*(?=\/)/g, '/[^/]+')
    .replaceAll('/*', '/.*')
}

/** Braces that do not balance belong to the expression; so do `{2,3}` and `\p{Lu}`. */
function withSegments(pattern: string): string {
  return isBalanced(pattern) ? pattern.replaceAll(/(?<!\\[pPx]?)\{(?!\d+(?:,\d*)?\})[^{}]+\}/g, '([^/]+)') : pattern
}

function isBalanced(pattern: string): boolean {
  let open = 0
  for (const character of pattern) {
    if (character === '{') open += 1
    if (character === '}') open -= 1
    if (open < 0) return false
  }
  return open === 0
}
