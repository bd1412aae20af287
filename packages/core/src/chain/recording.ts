import type { AnalyticsRecord } from '../analytics/record.ts'
import { describe, GatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { withoutCredentials } from './credential.ts'
import { saveSession } from './save-session.ts'
import type { Exchange } from './exchange.ts'
import { runPlugin } from './run-plugin.ts'
import { endRequest, hookChannel, traceHook } from './tracing.ts'
import { dropRecord, keepOrDrop } from './verdicts.ts'

/** What became of the answer. */
export interface Outcome {
  /** What was sent; 499 when the client hung up before. */
  readonly status: number
}

/** After the answer is out, off the client's path: saves what plugins noted on the session, then records the request. */
export function conclude(exchange: Exchange, outcome: Outcome): Maybe<void> {
  exchange.end()
  endRequest(exchange, outcome.status)
  const saved = saveSession(exchange)
  return saved instanceof Promise
    ? saved.then(() => recordRequest(exchange, outcome))
    : recordRequest(exchange, outcome)
}

function recordRequest(exchange: Exchange, outcome: Outcome): Maybe<void> {
  if (exchange.api.definition.records === undefined) return
  const made = recordOf(exchange, outcome)
  const kept = hookChannel.hasSubscribers ? throughHook(exchange, made) : runAnalytics(exchange, made, 0)
  if (kept instanceof Promise)
    return kept.then((keep) => {
      if (keep) store(exchange, made)
    })
  if (kept) store(exchange, made)
  return undefined
}

/** A copy where plugins have seen it: one that kept the record must not change what is stored. */
function store(exchange: Exchange, record: AnalyticsRecord): void {
  const { chain, services } = exchange.api
  try {
    services.records.add(chain.analytics.length === 0 ? record : structuredClone(record))
  } catch (cause) {
    const error = new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `An analytics plugin put something into the record that is no data: ${describe(cause)}.`,
      { cause },
    )
    dropRecord(error, exchange)
  }
}

function throughHook(exchange: Exchange, record: AnalyticsRecord): Maybe<boolean> {
  if (exchange.api.chain.analytics.length === 0) return runAnalytics(exchange, record, 0)
  return traceHook(
    'analytics',
    exchange,
    () => runAnalytics(exchange, record, 0),
    (kept) => (kept ? 'passed' : 'dropped'),
  )
}

/** Analytics plugins in order; none runs after one that dropped the record or broke. */
function runAnalytics(exchange: Exchange, record: AnalyticsRecord, from: number): Maybe<boolean> {
  const plugins = exchange.api.chain.analytics
  for (let i = from; i < plugins.length; i += 1) {
    const kept = runPlugin(plugins[i]!, record, exchange, keepOrDrop)
    if (kept instanceof Promise) return kept.then((later) => later === 'keep' && runAnalytics(exchange, record, i + 1))
    if (kept !== 'keep') return false
  }
  return true
}

/** Those of the session, of the headers and of the API, in this order. */
function tagsOf({ api, caller, request }: Exchange): string[] {
  const tags = caller === undefined ? [] : [...caller.session.tags]
  const { records } = api.definition
  if (records === undefined) return tags
  for (const name of records.tagHeaders)
    for (const value of request.headers.getAll(name)) if (value !== '') tags.push(`${name}-${value}`)
  tags.push(...records.tags)
  return tags
}

function recordOf(exchange: Exchange, { status }: Outcome): AnalyticsRecord {
  const { api, request, caller, code, startedAt, upstreamMs } = exchange
  const { info } = api
  return {
    timestamp: new Date(),
    apiId: info.id,
    apiName: info.name,
    orgId: info.orgId,
    apiKey: caller?.id ?? '',
    alias: caller?.session.alias ?? '',
    tags: tagsOf(exchange),
    method: request.method,
    host: request.host,
    path: request.path,
    originalUrl: withoutCredentials(request.originalUrl, api.definition.authentication),
    userAgent: request.headers.get('user-agent') ?? '',
    clientAddress: request.clientAddress,
    responseCode: status,
    code: code ?? '',
    latency: { totalMs: performance.now() - startedAt, upstreamMs },
  }
}
