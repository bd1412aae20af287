import type { ApiInfo } from '@postern/core'
import { endpointAt, FRESH, fullPath, methodsOf, partsOf } from './endpoint-paths.ts'
import { literalOnly, literalStart, matchesEveryPath, startsAtStart } from './expression-text.ts'
import type { Lint, Linted, Remark } from './lint.ts'
import type { Routes } from './routes.ts'

interface Expression {
  readonly key: string
  readonly method: string
  readonly source: string
}

/** Expressions behind one that takes their requests, behind keys with paths that do, and below another API. */
export const shadowedExpression: Lint = {
  id: 'shadowed-expression',
  severity: 'warning',
  run: ({ apis, routes }: Linted) => apis.flatMap((api) => shadowedIn(api, routes)),
}

function shadowedIn(api: ApiInfo, routes: Routes): Remark[] {
  const expressions = Object.keys(api.definition.endpoints).flatMap((key): Expression[] => {
    const { method, expression } = partsOf(key)
    return expression === undefined ? [] : [{ key, method, source: expression }]
  })
  return expressions.flatMap((expression, i) => {
    const message = reason(api, routes, expression, expressions.slice(0, i))
    return message === undefined ? [] : [{ api, path: endpointAt('endpoints', expression.key), message }]
  })
}

function reason(
  api: ApiInfo,
  routes: Routes,
  expression: Expression,
  before: readonly Expression[],
): string | undefined {
  const first = before.find((other) => covers(other, expression))
  if (first !== undefined)
    return `nothing reaches it: ${JSON.stringify(first.key)} comes first and takes all its requests`
  return behindPaths(api, routes, expression) ?? belowOther(api, routes, expression)
}

function covers(first: Expression, later: Expression): boolean {
  if (first.method !== '*' && first.method !== later.method) return false
  if (first.source === later.source || matchesEveryPath(first.source)) return true
  const text = literalOnly(first.source)
  if (text === undefined) return false
  const start = literalStart(later.source)
  return startsAtStart(first.source) ? startsAtStart(later.source) && start.startsWith(text) : start.includes(text)
}

const ANY_PATHS = ['/', `/${FRESH}`, `/${FRESH}/${FRESH}`, `/${FRESH}/${FRESH}/${FRESH}`]

function behindPaths(api: ApiInfo, routes: Routes, { method }: Expression): string | undefined {
  const keys = new Set<string>()
  for (const path of ANY_PATHS) {
    for (const one of methodsOf(method)) {
      const route = routes.find(one, fullPath(api, path))
      if (route?.apiId !== api.id || route.key === undefined || partsOf(route.key).path === undefined) return undefined
      keys.add(JSON.stringify(route.key))
    }
  }
  return `nothing reaches it: keys with paths come first and take every path: ${[...keys].join(', ')}`
}

function belowOther(api: ApiInfo, routes: Routes, { source }: Expression): string | undefined {
  if (!startsAtStart(source)) return undefined
  const start = literalStart(source)
  const folder = start.slice(0, start.lastIndexOf('/') + 1)
  // Where case does not count, the text is not what a request has to say.
  if (folder.length < 2 || api.definition.ignoreCase || api.definition.upstream === undefined) return undefined
  const route = routes.find('GET', fullPath(api, folder + FRESH))
  if (route === undefined || route.apiId === api.id) return undefined
  return `nothing reaches it: "${route.apiName}" listens at ${route.listenPath}`
}
