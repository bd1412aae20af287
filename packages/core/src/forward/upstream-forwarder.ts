import type { ApiDefinition } from '../api.ts'
import { keptListenPath } from '../definition/kept-listen-path.ts'
import { UPSTREAM_DEFAULTS } from '../definition/upstream-defaults.ts'
import type { ByteStream } from '../http/byte-stream.ts'
import { GatewayRequest } from '../http/request.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { Forwarder } from './forwarder.ts'
import type { Leases } from './leases.ts'
import type { Pools } from './pools.ts'
import { type Road, Sending } from './sending.ts'

/** Forwards over keep-alive connections. `pathPrefix` is put back in front of the path when the listen path is not stripped. */
export function upstreamForwarder(pools: Pools, leases: Leases, definition: ApiDefinition): Forwarder {
  const road: Road = {
    pools,
    leases,
    settings: definition.upstream ?? UPSTREAM_DEFAULTS,
    pathPrefix: keptListenPath(definition),
    maxBufferedBytes: definition.maxBufferedBytes,
  }
  return (request) => {
    const content = GatewayRequest.body(request).content()
    const send = (body: Buffer | ByteStream | undefined): Promise<GatewayResponse> =>
      new Promise((resolve, reject) => new Sending(road, request, body, resolve, reject).send())
    return content instanceof Promise ? content.then(send) : send(content)
  }
}
