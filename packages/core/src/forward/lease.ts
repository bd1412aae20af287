import type { GatewayError } from '../errors.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'

/** Leave to use one connection to one target: all a forwarder knows of balancing, health and limits. */
export interface Lease {
  readonly url: UpstreamUrl
  /** Named by a plugin, not by the operator: may not lead to a link-local address. */
  readonly guarded: boolean
  /** The head of an answer is here. */
  answered(status: number): void
  /** The attempt ended without one. */
  failed(error: GatewayError): void
  /** To be called exactly once, when the connection is free again. */
  end(): void
}
