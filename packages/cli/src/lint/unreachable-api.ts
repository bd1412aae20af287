import { FRESH, fullPath } from './endpoint-paths.ts'
import type { Lint } from './lint.ts'

/** Two listen paths that differ only by case, where case does not count. */
export const unreachableApi: Lint = {
  id: 'unreachable-api',
  severity: 'warning',
  run: ({ apis, routes }) =>
    apis.flatMap((api) => {
      const found = [api.definition.listenPath, fullPath(api, `/${FRESH}`)].map((path) => routes.find('GET', path))
      const [other] = found
      if (other === undefined || found.some((route) => route?.apiId === api.id)) return []
      const message = `nothing reaches it: "${other.apiName}" listens at ${other.listenPath}, which is the same without regard to case`
      return [{ api, path: 'listenPath', message }]
    }),
}
