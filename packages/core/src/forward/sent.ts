import { tracingChannel } from 'node:diagnostics_channel'
import type { GatewayRequest } from '../http/request.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'

interface Sent {
  /** The one that was asked last. */
  readonly to: UpstreamUrl
  readonly attempts: number
}

const channel = tracingChannel('postern:upstream')
const sent = new WeakMap<GatewayRequest, Sent>()

/** A forwarder is about to ask one target. Remembered only where somebody listens. */
export function noteSending(request: GatewayRequest, to: UpstreamUrl): void {
  if (channel.hasSubscribers) sent.set(request, { to, attempts: (sent.get(request)?.attempts ?? 0) + 1 })
}

/** Where a request went; undefined where nobody listened, or a forwarder of the host's own does not say. */
export function sentOf(request: GatewayRequest): Sent | undefined {
  return sent.get(request)
}
