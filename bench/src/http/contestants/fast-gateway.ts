import type { Server } from 'node:http'
import gateway from 'fast-gateway'

export function plain(upstream: URL): Server {
  const service = gateway({
    routes: [
      {
        prefix: '/',
        pathRegex: '*',
        target: upstream.origin,
        proxyConfig: { maxSockets: 8_192, maxFreeSockets: 8_192, keepAliveMsecs: 60_000 },
      },
    ],
  })
  return service.getServer()
}
