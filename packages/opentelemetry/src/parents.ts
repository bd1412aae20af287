import {
  type Context,
  context,
  isSpanContextValid,
  type Link,
  propagation,
  type Span,
  trace as spans,
  TraceFlags,
} from '@opentelemetry/api'
import type { GatewayRequest, RequestTrace } from '@postern/core'
import { RECEIVED } from './carriers.ts'

/** Whether a client's request goes on with the trace it names, or begins one of its own that is linked to it. */
export type ClientTrace = 'continue' | 'link'

/** Where the span of a request belongs. */
interface Place {
  readonly parent: Context
  readonly links: Link[]
  /** A client's own request, and nobody else has a span for it. */
  readonly server: boolean
}

export function placeOf({ parent, request }: RequestTrace, clientTrace: ClientTrace): Place {
  const active = context.active()
  const outer = spans.getSpan(active)
  if (parent !== undefined) return { parent: active, links: [], server: false }
  // The server's own instrumentation has a span for it, in a trace of its choice; what it has read of the client is with it.
  if (outer !== undefined && isUnderWay(outer)) {
    if (clientTrace === 'continue') return { parent: active, links: [], server: false }
    forgetClientTrace(request)
    const { traceState: _, ...own } = outer.spanContext()
    return { parent: spans.setSpanContext(propagation.deleteBaggage(active), own), links: [], server: false }
  }
  const alone = spans.deleteSpan(active)
  const named = propagation.extract(outer?.spanContext().isRemote === true ? active : alone, request, RECEIVED)
  if (clientTrace === 'continue') return { parent: named, links: [], server: true }
  forgetClientTrace(request)
  const remote = spans.getSpanContext(named)
  return { parent: alone, links: remote === undefined ? [] : [{ context: remote }], server: true }
}

/** A span from elsewhere is the client's; one that has ended is whatever the server happened to be started in. */
function isUnderWay(span: Span): boolean {
  const { traceFlags, isRemote } = span.spanContext()
  if (!isSpanContextValid(span.spanContext()) || isRemote === true) return false
  // Of one that is not sampled nobody can tell whether it has ended.
  return span.isRecording() || (traceFlags & TraceFlags.SAMPLED) === 0
}

/** What a client says of traces goes no further: neither to plugins nor to what is behind the gateway. */
function forgetClientTrace({ headers }: GatewayRequest): void {
  for (const name of propagation.fields()) headers.delete(name)
}
