import { RE2JS } from 're2js'
import { GatewayError, type GatewayErrorCode } from '../errors.ts'
import { surveyExpression } from './repetition.ts'

/** A regular expression that takes time linear in the text, whatever the text: RE2, as the documents of the real gateway use it. */
export interface Expression {
  /** Whether it can match without taking a character, as `a*` and `^` can. */
  readonly matchesEmpty: boolean
  /** How many steps a character may take. */
  readonly steps: number
  /** Where it is found first in the text: its named groups, in order, empty where one took no part; undefined: nowhere. */
  find(text: string): readonly string[] | undefined
  /** Names of its groups, in the order of `find`. */
  readonly names: readonly string[]
  /** Whether the whole text matches. */
  matchesAll(text: string): boolean
  /** Every match, in order, from left to right; at most `most`. */
  matches(text: string, most: number): readonly string[]
}

const MAX_SOURCE = 1_000
// Time is linear in the text times this size; `.{1,1000}` has 2,001.
const MAX_PROGRAM = 2_048

const UNSUPPORTED = /\\[1-9k]|\(\?(?:[=!>]|<[=!]|P=)|[*+?}]\+/

/** Compiles an RE2 expression; one that is none, or that would be ruinous in other engines, throws `code`. */
export function compileExpression(source: string, code: GatewayErrorCode, ignoreCase = false): Expression {
  if (source.length > MAX_SOURCE) {
    throw new GatewayError(code, `An expression has ${source.length} characters; expected at most ${MAX_SOURCE}.`)
  }
  const compiled = compileRe2(source, code, ignoreCase)
  const { matchesEmpty, nested } = surveyExpression(source)
  if (nested !== undefined) {
    throw new GatewayError(
      code,
      `The expression ${JSON.stringify(source)} repeats what repeats already: ${JSON.stringify(nested)}. Write one repetition instead of two, "a+" for "(a+)+" and "(?:a|b)*" for "(?:a*b?)*".`,
    )
  }
  const size = compiled.programSize()
  if (size > MAX_PROGRAM) {
    throw new GatewayError(
      code,
      `The expression ${JSON.stringify(source)} is too large: ${size} steps for a character, expected at most ${MAX_PROGRAM}; lower its counts.`,
    )
  }
  const names = Object.keys(compiled.namedGroups())
  return {
    matchesEmpty,
    steps: size,
    names,
    find(text) {
      const matcher = compiled.matcher(text)
      return matcher.find() ? names.map((name) => matcher.group(name) ?? '') : undefined
    },
    matchesAll: (text) => compiled.matcher(text).matches(),
    matches(text, most) {
      const matcher = compiled.matcher(text)
      const found: string[] = []
      while (found.length < most && matcher.find()) found.push(matcher.group() ?? '')
      return found
    },
  }
}

function compileRe2(source: string, code: GatewayErrorCode, ignoreCase: boolean): RE2JS {
  try {
    return RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  } catch (cause) {
    const reason = (cause as Error).message.replace('error parsing regexp: ', '')
    const hint = UNSUPPORTED.test(source)
      ? ' RE2 has no backreferences, no lookaheads or lookbehinds, and no atomic or possessive groups: write it without.'
      : ''
    throw new GatewayError(code, `The expression ${JSON.stringify(source)} is not RE2: ${reason}.${hint}`, { cause })
  }
}
