import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace as spans,
  type Tracer,
} from '@opentelemetry/api'
import type { ApiInfo, HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from '@postern/core'
import {
  errorType,
  knownMethod,
  methodAttributes,
  methodInName,
  protocolVersion,
  serverAttributes,
  splitTarget,
  withoutValues,
} from './attributes.ts'
import { LEAVING } from './carriers.ts'
import type { Durations } from './durations.ts'
import { type ClientTrace, placeOf } from './parents.ts'

/** The SDK's own keys, which are symbols of the whole process. What looks for this one makes no spans of its own. */
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')
/** What stands here gives the instrumentation of `node:http` the route for its span and its metrics. */
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA')

/** What is known of a request between its ends. */
interface Open {
  readonly span: Span
  readonly context: Context
  /** A client's own, and nobody else has a span for it. */
  readonly server: boolean
  /** It came with baggage: what plugins leave of that is what goes on. */
  readonly laden: boolean
  route: string
}

interface OpenUpstream {
  readonly span: Span
  readonly context: Context
}

interface SpanOptions {
  readonly queryValues: boolean
  readonly clientTrace: ClientTrace
}

export class Spans {
  readonly #tracer: Tracer
  readonly #durations: Durations | undefined
  readonly #options: SpanOptions
  readonly #requests = new WeakMap<object, Open>()
  readonly #parts = new WeakMap<object, Span>()
  readonly #upstreams = new WeakMap<object, OpenUpstream>()

  constructor(tracer: Tracer, durations: Durations | undefined, options: SpanOptions) {
    this.#tracer = tracer
    this.#durations = durations
    this.#options = options
  }

  enterRequest(trace: RequestTrace): Context {
    const { api, exchange, method, request, startedAt } = trace
    const { definition } = api
    const agent = request.headers.get('user-agent')
    const { parent, links, server } = placeOf(trace, this.#options.clientTrace)
    const route = definition.listenPath
    const { path, query } = splitTarget(trace.url)
    const span = this.#tracer.startSpan(
      `${methodInName(method)} ${route}`,
      {
        kind: server ? SpanKind.SERVER : SpanKind.INTERNAL,
        startTime: startedAt,
        links,
        attributes: {
          ...methodAttributes(method),
          ...serverAttributes(request.host, request.scheme),
          'url.scheme': request.scheme,
          'url.path': path,
          ...(query !== '' && { 'url.query': this.#shown(query) }),
          'client.address': request.clientAddress,
          'network.protocol.version': protocolVersion(trace.httpVersion),
          ...(agent !== null && !definition.secrets.headers.includes('user-agent') && { 'user_agent.original': agent }),
          ...apiAttributes(api),
        },
      },
      parent,
    )
    const laden = request.headers.has('baggage')
    const open = { span, context: spans.setSpan(parent, span), server, laden, route }
    this.#requests.set(exchange, open)
    tellServer(open)
    return open.context
  }

  leaveRequest(trace: RequestTrace): void {
    const { exchange, method, request, httpVersion, code, cut = false, status = 499, durationMs = 0 } = trace
    const open = this.#requests.get(exchange)
    if (open === undefined) return
    const { span, route } = open
    // The client was gone before there was anything to send.
    const unsent = cut && status === 499
    const failed = cut || status >= 500
    const outcome: Attributes = {
      'http.route': route,
      ...(!unsent && { 'http.response.status_code': status }),
      ...(failed && { 'error.type': code ?? (cut ? 'PSTN_CLIENT_CLOSED' : String(status)) }),
    }
    span.updateName(`${methodInName(method)} ${route}`)
    span.setAttributes({ ...outcome, ...(code !== undefined && { 'postern.code': code }) })
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
    endSpan(span, trace)
    if (!open.server) return
    const attributes = {
      'http.request.method': knownMethod(method),
      'url.scheme': request.scheme,
      'network.protocol.version': protocolVersion(httpVersion),
      ...outcome,
    }
    this.#durations?.server(durationMs, attributes, open.context)
  }

  enterHook(trace: HookTrace, visible: boolean): Context {
    const { api, exchange, hook, endpoint, startedAt } = trace
    const open = this.#requests.get(exchange)
    if (open !== undefined && endpoint !== undefined) {
      open.route = routeOf(api, endpoint)
      tellServer(open)
    }
    const parent = this.#within(exchange)
    if (!visible) return parent
    const attributes = {
      ...apiAttributes(api),
      'postern.hook': hook,
      ...(endpoint !== undefined && { 'postern.endpoint': endpoint }),
    }
    return this.#enterPart(trace, `hook ${hook}`, attributes, startedAt, parent)
  }

  enterPlugin(trace: PluginTrace): Context {
    const { api, hook, plugin, startedAt } = trace
    const attributes = { ...apiAttributes(api), 'postern.hook': hook, 'postern.plugin': plugin }
    return this.#enterPart(trace, `plugin ${plugin}`, attributes, startedAt, context.active())
  }

  /** A hook, or a plugin, is over. */
  leavePart(trace: HookTrace | PluginTrace): void {
    const span = this.#parts.get(trace)
    if (span === undefined) return
    const { outcome, error } = trace
    span.setAttribute('postern.outcome', outcome ?? 'failed')
    if (outcome === undefined || outcome === 'failed') {
      span.setStatus({ code: SpanStatusCode.ERROR })
      if (error !== undefined) span.setAttribute('error.type', errorType(error))
    }
    endSpan(span, trace)
  }

  enterUpstream(trace: UpstreamTrace): Context {
    const { api, exchange, request, target, startedAt } = trace
    const parent = this.#within(exchange)
    // The host application is no other service: what it does belongs to the request.
    if (trace.host) return parent
    const span = this.#tracer.startSpan(
      methodInName(request.method),
      {
        kind: SpanKind.CLIENT,
        startTime: startedAt,
        attributes: { ...methodAttributes(request.method), ...this.#whereOf(target, trace.url), ...apiAttributes(api) },
      },
      parent,
    )
    const entered = spans.setSpan(parent, span)
    this.#upstreams.set(trace, { span, context: entered })
    // It belongs to the traceparent beside it: where that is not a client's own any more, neither may this be.
    if (span.spanContext().traceState === undefined && propagation.fields().includes('tracestate'))
      request.headers.delete('tracestate')
    const laden = this.#requests.get(exchange)?.laden === true
    propagation.inject(laden ? propagation.deleteBaggage(entered) : entered, request, LEAVING)
    // An instrumentation of the client library would make a second span of it, and send a second traceparent.
    return entered.setValue(SUPPRESSED, true)
  }

  leaveUpstream(trace: UpstreamTrace): void {
    const open = this.#upstreams.get(trace)
    if (open === undefined) return
    const { request, target, attempts = 1, status, error, durationMs = 0 } = trace
    const failed = error !== undefined || status === undefined || status >= 400
    const outcome: Attributes = {
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(failed && { 'error.type': status === undefined ? errorType(error) : String(status) }),
    }
    const place = this.#whereOf(target, trace.url)
    open.span.setAttributes({
      ...place,
      ...outcome,
      ...(attempts > 1 && { 'http.request.resend_count': attempts - 1 }),
    })
    if (failed) open.span.setStatus({ code: SpanStatusCode.ERROR })
    endSpan(open.span, trace)
    const { 'url.full': _, ...server } = place
    const attributes = { 'http.request.method': knownMethod(request.method), ...server, ...outcome }
    this.#durations?.client(durationMs, attributes, open.context)
  }

  #enterPart(trace: object, name: string, attributes: Attributes, startTime: number, parent: Context): Context {
    const span = this.#tracer.startSpan(name, { kind: SpanKind.INTERNAL, startTime, attributes }, parent)
    this.#parts.set(trace, span)
    return spans.setSpan(parent, span)
  }

  /** Where nothing is active any more, as for the plugins of a record, the request still is what they belong to. */
  #within(exchange: object): Context {
    return this.#requests.get(exchange)?.context ?? context.active()
  }

  #whereOf(target: string | undefined, url: string): Attributes {
    if (target === undefined) return {}
    const { host, protocol } = new URL(target)
    const { path, query } = splitTarget(url)
    return {
      ...serverAttributes(host, protocol === 'https:' ? 'https' : 'http'),
      'url.full': target + (query === '' ? path : `${path}?${this.#shown(query)}`),
    }
  }

  #shown(query: string): string {
    return this.#options.queryValues ? query : withoutValues(query)
  }
}

function endSpan(
  span: Span,
  { startedAt, durationMs = 0 }: RequestTrace | HookTrace | PluginTrace | UpstreamTrace,
): void {
  span.end(startedAt + durationMs)
}

/** The instrumentation of `node:http`, where there is one, knows no routes by itself. */
function tellServer({ context: within, route }: Open): void {
  const metadata = within.getValue(RPC_METADATA) as { type?: unknown; route?: string } | undefined
  if (metadata?.type === 'http') metadata.route = route
}

function apiAttributes({ id, name }: ApiInfo): Attributes {
  return { 'postern.api.id': id, 'postern.api.name': name }
}

/** An endpoint that is no path has no route of its own. */
function routeOf({ definition: { listenPath } }: ApiInfo, endpoint: string): string {
  const path = endpoint.slice(endpoint.indexOf(' ') + 1)
  return path.startsWith('/') ? (listenPath === '/' ? path : listenPath + path) : listenPath
}
