import { describe, GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { suggest } from '../nearest.ts'
import { EventLoopDelay } from './event-loop.ts'
import { CONTENT_TYPE, expositionText, type Family, type Sample } from './exposition.ts'
import { Counter, Histogram } from './families.ts'
import { listen } from './listen.ts'

export interface PrometheusOptions {
  /** Those whose records are told as well. Requests are told of all gateways of the process. */
  readonly gateways?: readonly Pick<Gateway, 'records'>[] | undefined
  /** Measures how late the event loop is. Default false. */
  readonly eventLoop?: boolean | undefined
  /** Upper bounds in seconds, rising, for the durations of requests and upstreams. Default: 0.005 to 10. */
  readonly buckets?: readonly number[] | undefined
  /** Combinations of labels kept for each metric; what comes beyond is counted under `_other`. Default 1,000. */
  readonly maxSeries?: number | undefined
}

/** Numbers that a Prometheus server can read. */
export interface PrometheusMetrics {
  /** The text format, version 0.0.4. */
  text(): string
  readonly contentType: string
  /** Stops counting. */
  close(): void
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const PLUGIN_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Any token is a method to HTTP: what clients make up must not become series. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'])

/**
 * Counts what all gateways of the process do, from now on.
 *
 * @example
 * const metrics = prometheus({ gateways: [gateway], eventLoop: true })
 * app.get('/metrics', (req, res) => res.type(metrics.contentType).send(metrics.text()))
 */
export function prometheus(options: PrometheusOptions = {}): PrometheusMetrics {
  checkOptions(options)
  const { gateways = [], eventLoop = false, buckets = SECONDS, maxSeries = 1_000 } = options
  const counter = (name: string, help: string, labels: readonly string[]): Counter =>
    new Counter(`postern_${name}`, help, labels, maxSeries)
  const histogram = (name: string, help: string, labels: readonly string[], bounds = buckets): Histogram =>
    new Histogram(`postern_${name}`, help, labels, maxSeries, bounds)

  const requests = counter('requests_total', 'Answers that are out; 499: the client hung up.', [
    'api',
    'method',
    'status',
  ])
  const inFlight = new Counter('postern_requests_in_flight', 'Requests without an answer.', ['api'], maxSeries, 'gauge')
  const duration = histogram('request_duration_seconds', 'From the request to the end of its answer.', [
    'api',
    'method',
  ])
  const refusals = counter('refusals_total', 'Requests the gateway itself answered, or answers it cut, by reason.', [
    'api',
    'code',
  ])
  const upstream = histogram(
    'upstream_duration_seconds',
    'From handing a request to the upstream until the head of its answer is there, or the attempt has failed.',
    ['api', 'outcome'],
  )
  const plugin = histogram('plugin_duration_seconds', 'Calls of plugins.', ['api', 'hook', 'plugin'], PLUGIN_SECONDS)
  const outcomes = counter('plugin_calls_total', 'Calls of plugins by what became of them.', [
    'api',
    'hook',
    'plugin',
    'outcome',
  ])

  // Somebody else may have listened when a request began that ends here.
  const begun = new WeakSet<object>()
  const stops = [
    listen(
      'request',
      (trace) => {
        const { api, status = 0, code, durationMs = 0 } = trace
        const method = METHODS.has(trace.method) ? trace.method : '_other'
        requests.add([api.name, method, String(status)])
        duration.observe([api.name, method], durationMs / 1000)
        if (code !== undefined) refusals.add([api.name, code])
        if (begun.has(trace)) inFlight.add([api.name], -1)
      },
      (trace) => {
        begun.add(trace)
        inFlight.add([trace.api.name])
      },
    ),
    listen('upstream', ({ api, status, durationMs = 0 }) =>
      upstream.observe([api.name, status === undefined ? 'failed' : 'answered'], durationMs / 1000),
    ),
    listen('plugin', ({ api, hook, plugin: name, outcome = 'failed', durationMs = 0 }) => {
      plugin.observe([api.name, hook, name], durationMs / 1000)
      outcomes.add([api.name, hook, name, outcome])
    }),
  ]
  const delay = eventLoop ? new EventLoopDelay() : undefined
  const families: Family[] = [
    requests,
    inFlight,
    duration,
    refusals,
    upstream,
    plugin,
    outcomes,
    ...(gateways.length === 0 ? [] : recordFamilies(gateways)),
    ...(delay === undefined ? [] : [delay]),
  ]
  return {
    contentType: CONTENT_TYPE,
    text: () => expositionText(families),
    close: () => {
      for (const stop of stops) stop()
      delay?.stop()
    },
  }
}

function recordFamilies(gateways: readonly Pick<Gateway, 'records'>[]): Family[] {
  const sum = (read: (records: Gateway['records']) => number): Sample[] => [
    { suffix: '', labels: '', value: gateways.reduce((total, { records }) => total + read(records), 0) },
  ]
  return [
    {
      name: 'postern_records_dropped_total',
      help: 'Records that were not stored because an analytics plugin failed.',
      type: 'counter',
      samples: () => sum(({ dropped }) => dropped),
    },
    {
      name: 'postern_records_lost_total',
      help: 'Records that never reached a sink.',
      type: 'counter',
      samples: () => sum(({ lost }) => lost),
    },
  ]
}

const KNOWN = ['gateways', 'eventLoop', 'buckets', 'maxSeries']

function hasRecords(gateway: unknown): boolean {
  return typeof (gateway as Partial<Gateway> | null | undefined)?.records?.dropped === 'number'
}

/** Of bounds that rise: of numbers, and each above the one before it. */
function isAbove(bound: unknown, i: number, bounds: readonly unknown[]): boolean {
  return Number.isFinite(bound) && (i === 0 || Number(bound) > Number(bounds[i - 1]))
}

function checkOptions(options: PrometheusOptions): void {
  const unknown = Object.keys(options).find((key) => !KNOWN.includes(key))
  if (unknown !== undefined)
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `prometheus: unknown option "${unknown}"; ${suggest(unknown, KNOWN)}.`,
    )
  const { gateways, buckets, maxSeries, eventLoop } = options
  if (eventLoop !== undefined && typeof eventLoop !== 'boolean')
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `prometheus: eventLoop is ${describe(eventLoop)}; expected true or false.`,
    )
  if (gateways !== undefined && !(Array.isArray(gateways) && gateways.every(hasRecords)))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `prometheus: gateways are ${describe(gateways)}; expected an array of what createGateway returns.`,
    )
  if (buckets !== undefined && !(Array.isArray(buckets) && buckets.every(isAbove)))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `prometheus: buckets are ${describe(buckets)}; expected finite numbers that rise, in seconds.`,
    )
  if (maxSeries !== undefined && !(Number.isInteger(maxSeries) && maxSeries >= 1))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `prometheus: maxSeries is ${describe(maxSeries)}; expected an integer, 1 or more.`,
    )
}
