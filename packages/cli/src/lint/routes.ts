import type { CheckReport } from '@postern/core'

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

export function routesOf(report: Pick<CheckReport, 'explain'>): Routes {
  return {
    find(method, path) {
      const { api, endpoint } = report.explain(method, path)
      return api && { apiId: api.id, apiName: api.name, listenPath: api.listenPath, key: endpoint?.key }
    },
  }
}
