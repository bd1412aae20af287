import type { AcceptedRequest } from './accepted-request.ts'
import { declaredLength, isChunked } from './forward/request-head.ts'
import { firstValue, GatewayHeaders } from './http/headers.ts'
import { GatewayRequest } from './http/request.ts'
import { GatewayResponse } from './http/response.ts'

/** Of a body; what is kept for its shape alone must not be large. */
const SMALL_BYTES = 65_536

/**
 * One request that is over. V8 throws away what it has compiled for objects of which there is none when it collects, as it
 * does while nothing happens; the next second would cost twice as much (bench/NOTES.md).
 */
export class KeptRequest {
  /** Nobody asks for it: that it is there is all. */
  request: AcceptedRequest | undefined
  #due = true

  /** Takes it if another one is due, and it is an ordinary one. */
  offer(accepted: AcceptedRequest): void {
    if (!this.#due || !isOrdinary(accepted)) return
    this.request = accepted
    this.#due = false
  }

  /** What requests are made of changes with what they do: now and then another one is kept in its place. */
  renew(): void {
    this.#due = true
  }

  forget(): void {
    this.request = undefined
    this.#due = true
  }
}

/** Answered by an upstream, through the host, and small; what a host application answers by itself nobody here can measure. */
function isOrdinary({ exchange, hostSide }: AcceptedRequest): boolean {
  const { api, request, response, upstreamMs, code, detail } = exchange
  if (hostSide === undefined || api.upstream === undefined || api.services.generation.retired) return false
  if (response === undefined || upstreamMs === 0 || code !== undefined || detail !== undefined) return false
  return isSmallRequest(request) && isSmallResponse(response)
}

/** By what its head says, too: a body parser above may have read it. */
function isSmallRequest(request: GatewayRequest): boolean {
  const bytes = Math.max(declaredLength(request) ?? 0, GatewayRequest.body(request).largestBytes)
  return !isChunked(request) && bytes <= SMALL_BYTES
}

function isSmallResponse(response: GatewayResponse): boolean {
  const { largestBytes, wasRead } = GatewayResponse.body(response)
  // What was decoded may be any size.
  const isDecoded = wasRead && firstValue(GatewayHeaders.received(response.headers), 'content-encoding') !== undefined
  return !isDecoded && largestBytes <= SMALL_BYTES
}
