import type { UpstreamSettings } from '../definition/upstream-defaults.ts'
import { firstValue, GatewayHeaders } from '../http/headers.ts'
import { GatewayRequest } from '../http/request.ts'
import { pathAt, type UpstreamUrl } from '../http/upstream-url.ts'
import { addForwarded, dropsClaims, isForwardedField } from './forwarded.ts'
import { loopValue } from '../http/loop.ts'
import { isHopByHop, nominatedFields } from '../http/hop-by-hop.ts'

/** The head of the request to the upstream, complete but for its framing. */
export interface RequestHead {
  readonly method: string
  /** Path and query, ready for the request line. */
  readonly target: string
  /** Flat `[name, value, ...]`. */
  readonly headers: string[]
}

/**
 * The one place an outgoing request head is made. What belongs to the client's connection goes first, then what the
 * client claims about itself, and only then is anything of ours added: a client cannot nominate our fields away.
 */
export function requestHead(
  request: GatewayRequest,
  to: UpstreamUrl,
  upstream: Pick<UpstreamSettings, 'preserveHost' | 'forwarded'>,
  pathPrefix: string,
): RequestHead {
  const client = GatewayRequest.client(request)
  const search = GatewayRequest.search(request)
  const path = pathAt(to, GatewayRequest.behind(pathPrefix, request))
  const lines = GatewayHeaders.lines(request.headers)
  const ours = GatewayHeaders.touched(request.headers)
  // What the client named, whatever plugins have made of its Connection since.
  const nominated = nominatedFields(GatewayHeaders.received(request.headers))
  const drop = dropsClaims(upstream.forwarded, client)
  const headers: string[] = ['Host', upstream.preserveHost && client.host !== '' ? client.host : to.host]
  let cookie = -1
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!.toLowerCase()
    if (name === 'host' || name === 'content-length' || name === 'cdn-loop') continue
    // A field a plugin has set is ours, not the client's: neither a nomination nor the policy removes it.
    const own = ours?.has(name) === true
    if (isHopByHop(name, own ? undefined : nominated) || (drop && !own && isForwardedField(name))) continue
    // One line, as the client should have sent it (RFC 6265 5.4): of two, some servers read the first only.
    if (name === 'cookie' && cookie !== -1) {
      headers[cookie] += `; ${lines[i + 1]!}`
      continue
    }
    if (name === 'cookie') cookie = headers.length + 1
    headers.push(lines[i]!, lines[i + 1]!)
  }
  addForwarded(headers, upstream.forwarded, client, ours)
  headers.push('CDN-Loop', loopValue(GatewayHeaders.received(request.headers), lines))
  return { method: request.method, target: search === '' ? path : `${path}?${search}`, headers }
}

/** Whether the body that came in is chunked, so that its length is known when it has ended. */
export function isChunked(request: GatewayRequest): boolean {
  return firstValue(GatewayHeaders.received(request.headers), 'transfer-encoding') !== undefined
}

/** The declared length of the body that came in; undefined when it is chunked or absent. */
export function declaredLength(request: GatewayRequest): number | undefined {
  const value = firstValue(GatewayHeaders.received(request.headers), 'content-length')
  return value === undefined ? undefined : Number(value)
}
