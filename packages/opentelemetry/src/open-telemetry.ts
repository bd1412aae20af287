import { metrics, type MeterProvider, trace, type TracerProvider } from '@opentelemetry/api'
import { GatewayError } from '@postern/core'
import { suggest } from '@postern/core/host'
import { bind } from './bind.ts'
import { Durations } from './durations.ts'
import type { ClientTrace } from './parents.ts'
import { Spans } from './spans.ts'

export interface OpenTelemetryOptions {
  /**
   * How far down spans go: `request` is one for the request and one for each upstream call, `hook` one for each hook as well,
   * `plugin` one for each plugin call, too. Default `plugin`.
   */
  readonly depth?: 'request' | 'hook' | 'plugin' | undefined
  /**
   * Whether a request goes on with the trace its client names (`continue`), or begins one of its own that is linked to it
   * (`link`): then what the client says of traces, and its baggage, is taken off. Default `continue`.
   */
  readonly clientTrace?: ClientTrace | undefined
  /** Also `http.server.request.duration` and `http.client.request.duration`. Default true. */
  readonly metrics?: boolean | undefined
  /** Shows the values of query parameters, but those of secrets; by default each is `***`. */
  readonly queryValues?: boolean | undefined
  /** The global ones when left out. */
  readonly tracerProvider?: TracerProvider | undefined
  readonly meterProvider?: MeterProvider | undefined
}

const NAME = '@postern/opentelemetry'
const DEPTHS = ['request', 'hook', 'plugin']
const CLIENT_TRACES = ['continue', 'link']
const KNOWN = ['depth', 'clientTrace', 'metrics', 'queryValues', 'tracerProvider', 'meterProvider']

/**
 * Spans and metrics for everything gateways of this process do from now on. Call it once, after the SDK has started.
 * Returns how to stop.
 *
 * @example
 * const sdk = new NodeSDK()
 * sdk.start()
 * openTelemetry()
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): () => void {
  checkOptions(options)
  const { depth = 'plugin', clientTrace = 'continue', queryValues = false } = options
  const tracer = (options.tracerProvider ?? trace).getTracer(NAME)
  const durations =
    options.metrics === false ? undefined : new Durations((options.meterProvider ?? metrics).getMeter(NAME))
  const spans = new Spans(tracer, durations, { queryValues, clientTrace })
  const stops = [
    bind('request', {
      enter: (request) => spans.enterRequest(request),
      leave: (request) => spans.leaveRequest(request),
    }),
    bind('hook', {
      enter: (hook) => spans.enterHook(hook, depth !== 'request'),
      leave: (hook) => spans.leavePart(hook),
    }),
    bind('upstream', {
      enter: (upstream) => spans.enterUpstream(upstream),
      leave: (upstream) => spans.leaveUpstream(upstream),
    }),
  ]
  if (depth === 'plugin')
    stops.push(
      bind('plugin', {
        enter: (plugin) => spans.enterPlugin(plugin),
        leave: (plugin) => spans.leavePart(plugin),
      }),
    )
  return () => {
    for (const stop of stops) stop()
  }
}

function checkOptions(options: OpenTelemetryOptions): void {
  const unknown = Object.keys(options).find((key) => !KNOWN.includes(key))
  if (unknown !== undefined)
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `openTelemetry: unknown option "${unknown}"; ${suggest(unknown, KNOWN)}.`,
    )
  for (const [name, known] of [
    ['depth', DEPTHS],
    ['clientTrace', CLIENT_TRACES],
  ] as const) {
    const value = options[name]
    if (value !== undefined && !known.includes(value))
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `openTelemetry: ${name} is ${JSON.stringify(value)}; expected one of ${known.join(', ')}.`,
      )
  }
}
