import type { ApiDefinitionInput, ApiInfo } from '@postern/core'
import { createGateway } from '@postern/http'

/** Which API a request belongs to, and which of its endpoints it meets. */
export interface Route {
  readonly apiId: string
  readonly apiName: string
  readonly listenPath: string
  readonly key: string | undefined
}

export interface Routes {
  find(method: string, path: string): Route | undefined
}

/** Asks a gateway with the same paths and nothing else: no plugin is run, no upstream is looked at. */
export function routesOf(apis: readonly ApiInfo[]): Routes {
  if (apis.length === 0) return { find: () => undefined }
  const gateway = createGateway(apis.map(pathsOf))
  return {
    find(method, path) {
      const { api, endpoint } = gateway.explain(method, path)
      return api && { apiId: api.id, apiName: api.name, listenPath: api.listenPath, key: endpoint?.key }
    },
  }
}

function pathsOf({ id, name, definition }: ApiInfo): ApiDefinitionInput {
  const { listenPath, ignoreCase, upstream, endpoints } = definition
  return {
    id,
    name,
    listenPath,
    ignoreCase,
    // Without one the listen path ignores case.
    upstream: upstream === undefined ? undefined : 'http://upstream.invalid',
    endpoints: Object.fromEntries(Object.keys(endpoints).map((key) => [key, [pass]])),
  }
}

function pass(): void {}
