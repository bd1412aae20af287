import { parse, type Token } from 'path-to-regexp'
import { endpointAt, partsOf } from './endpoint-paths.ts'
import type { Lint, Linted, Remark } from './lint.ts'

/** Braces are optional text here, and a parameter in OpenAPI. Behind a slash they are refused when they are loaded. */
export const optionalWord: Lint = {
  id: 'optional-word',
  severity: 'warning',
  run: ({ apis }: Linted) =>
    apis.flatMap((api) =>
      Object.keys(api.definition.endpoints).flatMap((key) => {
        const { path } = partsOf(key)
        const words = path === undefined ? [] : wordsIn(parse(path).tokens)
        return words.map((word): Remark => ({
          api,
          path: endpointAt('endpoints', key),
          message: `\`{${word}}\` is an optional word; write \`:${word}\``,
        }))
      }),
    ),
}

function wordsIn(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token) => {
    if (token.type !== 'group') return []
    const [only, ...more] = token.tokens
    return only?.type === 'text' && more.length === 0 && /^[a-z_]\w*$/i.test(only.value)
      ? [only.value]
      : wordsIn(token.tokens)
  })
}
