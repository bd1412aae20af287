import type { ApiInfo } from '@postern/core'
import { endpointAt, examplePaths, fullPath, isPlain, methodsOf, partsOf } from './endpoint-paths.ts'
import { matchesEveryPath } from './expression-text.ts'
import type { Lint, Linted, Remark } from './lint.ts'
import type { Route, Routes } from './routes.ts'

/** Endpoints below another API's longer listen path, and those whose requests more specific keys take, or earlier ones. */
export const unreachableEndpoint: Lint = {
  id: 'unreachable-endpoint',
  severity: 'warning',
  run: ({ apis, routes }: Linted) =>
    apis.flatMap((api) => [
      ...Object.keys(api.definition.endpoints).flatMap((key) => unreachable(api, routes, 'endpoints', key)),
      ...Object.keys(api.definition.limits.endpoints).flatMap((key) =>
        unreachable(api, routes, 'limits.endpoints', key),
      ),
    ]),
}

function unreachable(api: ApiInfo, routes: Routes, where: string, key: string): Remark[] {
  const { method, path } = partsOf(key)
  if (path === undefined) return []
  const instead = new Map<string, Route>()
  for (const example of examplePaths(api, path)) {
    for (const one of methodsOf(method)) {
      const route = routes.find(one, fullPath(api, example))
      const isOwn = route?.apiId === api.id
      // A limit's key is no endpoint: only other APIs come before it.
      if (route === undefined || (isOwn && (where !== 'endpoints' || route.key === key))) return []
      // What an expression takes of a few examples says nothing about the others.
      if (isOwn && !isPlain(path) && !takesAll(route.key)) return []
      instead.set(isOwn ? (route.key ?? '') : route.listenPath, route)
    }
  }
  return instead.size === 0 ? [] : [{ api, path: endpointAt(where, key), message: reason(api, [...instead.values()]) }]
}

function takesAll(key: string | undefined): boolean {
  const expression = key === undefined ? undefined : partsOf(key).expression
  return expression === undefined || matchesEveryPath(expression)
}

function reason(api: ApiInfo, routes: readonly Route[]): string {
  const others = routes.filter(({ apiId }) => apiId !== api.id)
  const listening = others.map(({ apiName, listenPath }) => `"${apiName}" listens at ${listenPath}`)
  const listed = api.definition.endpointOrder === 'listed'
  const keys = routes.filter(({ apiId }) => apiId === api.id).map(({ key }) => JSON.stringify(key))
  const more =
    keys.length === 0 ? [] : [`${listed ? 'earlier' : 'more specific'} keys take its requests: ${keys.join(', ')}`]
  return `nothing reaches it: ${[...listening, ...more].join('; ')}`
}
