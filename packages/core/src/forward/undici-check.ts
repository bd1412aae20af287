import type { CheckTarget } from './health-checks.ts'
import type { Pools, PoolSettings } from './pools.ts'

/** Health checks go over the connections of the requests: what they find is what those would. */
export function undiciCheck(pools: Pools, settings: PoolSettings): CheckTarget {
  return async ({ origin, host, serverName, basePath }, path, timeoutMs) => {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const asking = pools.get(origin, settings, false).request({
        origin,
        ...(serverName !== undefined && { servername: serverName }),
        method: 'GET',
        path: basePath + path,
        headers: ['Host', host, 'User-Agent', 'postern-health'],
        signal,
      })
      const { statusCode, body } = await Promise.race([asking, abortOf(signal)])
      // Read to its end, or the connection is lost to others; a body without end is cut.
      body.dump().catch(() => undefined)
      return statusCode >= 200 && statusCode < 300
    } catch {
      // Whatever went wrong, the target is not well; who listens for `targetHealth` is told.
      return false
    }
  }
}

/** The client library listens to a signal from the moment it is connected. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}
