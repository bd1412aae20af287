import type { ApiInfo } from '@postern/core'
import { endpointAt, FRESH, fullPath, methodsOf, partsOf } from './endpoint-paths.ts'
import { literalOnly, literalStart, matchesEveryPath, startsAtStart } from './expression-text.ts'
import type { Lint, Linted, Remark } from './lint.ts'
import type { Routes } from './routes.ts'

/** What is known of an expression, found out once: documents with path matching may have thousands. */
interface Expression {
  readonly key: string
  readonly method: string
  readonly source: string
  readonly every: boolean
  readonly atStart: boolean
  readonly only: string | undefined
  readonly start: string
}

/** Expressions behind one that takes their requests, behind keys with paths that do, and below another API. */
export const shadowedExpression: Lint = {
  id: 'shadowed-expression',
  severity: 'warning',
  run: ({ apis, routes }: Linted) => apis.flatMap((api) => shadowedIn(api, apis, routes)),
}

function shadowedIn(api: ApiInfo, apis: readonly ApiInfo[], routes: Routes): Remark[] {
  const expressions = Object.keys(api.definition.endpoints).flatMap(expressionOf)
  const behind = behindPaths(api, routes)
  return expressions.flatMap((expression, i) => {
    const first = expressions.slice(0, i).find((other) => covers(other, expression))
    const reason =
      first === undefined
        ? (behind(expression) ?? belowOther(api, apis, expression))
        : `${JSON.stringify(first.key)} comes first and takes all its requests`
    const message = `nothing reaches it: ${reason ?? ''}`
    return reason === undefined ? [] : [{ api, path: endpointAt('endpoints', expression.key), message }]
  })
}

function expressionOf(key: string): Expression[] {
  const { method, expression: source } = partsOf(key)
  if (source === undefined) return []
  const known = { every: matchesEveryPath(source), atStart: startsAtStart(source) }
  return [{ key, method, source, ...known, only: literalOnly(source), start: literalStart(source) }]
}

function covers(first: Expression, later: Expression): boolean {
  if (first.method !== '*' && first.method !== later.method) return false
  if (first.every || first.source === later.source) return true
  if (first.only === undefined) return false
  return first.atStart ? later.atStart && later.start.startsWith(first.only) : later.start.includes(first.only)
}

const ANY_PATHS = ['/', `/${FRESH}`, `/${FRESH}/${FRESH}`, `/${FRESH}/${FRESH}/${FRESH}`]

/** Where order counts, only by those that are listed before it. */
function behindPaths(api: ApiInfo, routes: Routes): (expression: Expression) => string | undefined {
  const taking = new Map<string, readonly string[] | undefined>()
  const positions = new Map(Object.keys(api.definition.endpoints).map((key, i) => [key, i]))
  return ({ method, key }) => {
    if (!taking.has(method)) taking.set(method, pathsThatTakeAll(api, routes, method))
    const keys = taking.get(method)
    const listed = api.definition.endpointOrder === 'listed'
    if (keys === undefined || (listed && keys.some((one) => positions.get(one)! > positions.get(key)!)))
      return undefined
    return `keys with paths come first and take every path: ${keys.map((one) => JSON.stringify(one)).join(', ')}`
  }
}

function pathsThatTakeAll(api: ApiInfo, routes: Routes, method: string): string[] | undefined {
  const keys = new Set<string>()
  for (const path of ANY_PATHS) {
    for (const one of methodsOf(method)) {
      const route = routes.find(one, fullPath(api, path))
      if (route?.apiId !== api.id || route.key === undefined || partsOf(route.key).path === undefined) return undefined
      keys.add(route.key)
    }
  }
  return [...keys]
}

function belowOther(api: ApiInfo, apis: readonly ApiInfo[], { atStart, start }: Expression): string | undefined {
  const { ignoreCase, upstream, listenPath } = api.definition
  const folder = start.slice(0, start.lastIndexOf('/') + 1)
  // Where case does not count, the text is not what a request has to say.
  if (!atStart || folder.length < 2 || ignoreCase || upstream === undefined) return undefined
  const path = fullPath(api, folder)
  const other = apis.find(
    ({ definition }) =>
      definition.listenPath.length > listenPath.length && path.startsWith(`${definition.listenPath}/`),
  )
  return other && `"${other.name}" listens at ${other.definition.listenPath}`
}
