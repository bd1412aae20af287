import type { ApiInfo } from '@postern/core'
import { endpointAt, partsOf } from './endpoint-paths.ts'
import { hasLooseAlternative, matchesEveryPath, startsAtStart } from './expression-text.ts'
import type { Lint, Linted, Remark } from './lint.ts'

/** Expressions that meet more than they seem to. Those that could run for long are refused when they are loaded. */
export const riskyExpression: Lint = {
  id: 'risky-expression',
  severity: 'warning',
  run: ({ apis }: Linted) => apis.flatMap((api) => [...ofEndpoints(api), ...ofExtractor(api)]),
}

function ofEndpoints(api: ApiInfo): Remark[] {
  return Object.keys(api.definition.endpoints).flatMap((key) => {
    const { expression } = partsOf(key)
    const message = expression === undefined ? undefined : risk(expression, api.document !== undefined)
    return message === undefined ? [] : [{ api, path: endpointAt('endpoints', key), message }]
  })
}

function risk(source: string, translated: boolean): string | undefined {
  if (matchesEveryPath(source)) return 'meets every path; write the key "METHOD /{*path}" if that is meant'
  if (hasLooseAlternative(source))
    return 'only some of its alternatives start with "^", the others meet any path that contains them; write "^(?:a|b)"'
  // How Tyk's paths are anchored is an option, and somebody has chosen.
  if (!startsAtStart(source) && !translated)
    return 'does not start with "^": it meets any path that contains it, not only those that begin with it'
  return undefined
}

function ofExtractor(api: ApiInfo): Remark[] {
  const { idExtractor } = api.definition.authentication
  if (idExtractor?.mode !== 'regex' || !matchesEveryPath(idExtractor.expression)) return []
  const message = 'takes the whole text for the id, up to a line end; say what an id looks like, or write mode: "value"'
  return [{ api, path: 'authentication.idExtractor.expression', message }]
}
