import { METHODS } from 'node:http'
import type { ApiInfo } from '@postern/core'
import { parse, type Token } from 'path-to-regexp'

/** An endpoint key of a valid definition: a path in path-to-regexp's syntax, or an RE2 expression behind `~`. */
export interface EndpointParts {
  readonly method: string
  readonly path: string | undefined
  readonly expression: string | undefined
}

export function partsOf(key: string): EndpointParts {
  const space = key.indexOf(' ')
  const method = key.slice(0, space)
  const rest = key.slice(space + 1)
  return rest.startsWith('~')
    ? { method, path: undefined, expression: rest.slice(1) }
    : { method, path: rest, expression: undefined }
}

/** The methods a key may be met with. */
export function methodsOf(method: string): readonly string[] {
  return method === '*' ? ['GET', ...METHODS.filter((other) => other !== 'CONNECT')] : [method]
}

/** The path of a definition, `endpoints["GET /x"]`. */
export function endpointAt(where: string, key: string): string {
  return `${where}[${JSON.stringify(key)}]`
}

/** The path a client writes for one below the listen path of an API. */
export function fullPath({ definition }: ApiInfo, path: string): string {
  return definition.listenPath === '/' ? path : definition.listenPath + path
}

/** A segment no definition has as its text, so that only parameters and wildcards meet it. */
export const FRESH = 'zq7x'

/** What a wildcard may stand for, in every form that another key could tell apart. */
const RESTS = [FRESH, `${FRESH}/${FRESH}`, `${FRESH}/${FRESH}/${FRESH}`, `${FRESH}//${FRESH}`]

/** Whether a path meets only what it says. */
export function isPlain(path: string): boolean {
  return parse(path).tokens.every(({ type }) => type === 'text')
}

const MOST_EXAMPLES = 256

/** Paths that a key is about, as different from each other as its syntax allows. */
export function examplePaths({ definition }: ApiInfo, path: string): readonly string[] {
  const texts = fill(parse(path).tokens, ['']).flatMap((text) => (text.endsWith('/') ? [text] : [text, `${text}/`]))
  const caseless = definition.ignoreCase || definition.upstream === undefined
  return caseless ? texts.flatMap((text) => [text, text.toUpperCase(), text.toLowerCase()]) : texts
}

function fill(tokens: readonly Token[], starts: readonly string[]): string[] {
  let texts = [...starts]
  for (const token of tokens) {
    const before = texts
    if (token.type === 'text') texts = before.map((text) => text + token.value)
    else if (token.type === 'param') texts = before.map((text) => text + FRESH)
    else if (token.type === 'wildcard') texts = before.flatMap((text) => RESTS.map((rest) => text + rest))
    else texts = [...before, ...fill(token.tokens, before)]
    texts = texts.slice(0, MOST_EXAMPLES)
  }
  return texts
}
