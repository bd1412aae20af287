import { MASK } from '../analytics/masks.ts'
import { KeptRecord } from '../analytics/kept-record.ts'
import type { AnalyticsRecord } from '../analytics/record.ts'
import { finished } from '../analytics/record-shape.ts'
import { describe, GatewayError } from '../errors.ts'
import { declaredLength, isChunked } from '../forward/request-head.ts'
import type { Maybe } from '../hooks.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { isBodyless } from '../http/framing.ts'
import { withoutAuthority } from '../http/path.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import { policyIds } from '../session/apply-policies.ts'
import { digest } from '../session/key-scheme.ts'
import { isKeyId } from '../session/session-id.ts'
import { ShapeError } from '../session/shape-error.ts'
import type { Caller } from './caller.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'
import { runPlugin } from './run-plugin.ts'
import { saveSession } from './save-session.ts'
import { endRequest, traceHook } from './tracing.ts'
import { dropRecord, keepOrDrop } from './verdicts.ts'

/** What became of the answer. */
export interface Outcome {
  /** What was sent; 499 when the client hung up before. */
  readonly status: number
  /** The client did not get all of it. */
  readonly cut: boolean
}

/** After the answer is out, off the client's path: saves what plugins noted on the session, then records the request. */
export function conclude(exchange: Exchange, outcome: Outcome): Maybe<void> {
  const endedAt = performance.now()
  exchange.end(endedAt)
  endRequest(exchange, outcome.status, outcome.cut)
  const saved = saveSession(exchange)
  if (!(saved instanceof Promise)) return recordRequest(exchange, outcome, endedAt)
  const { code, response } = exchange
  return saved.then(() => {
    // What was under way for a client that has left may have ended meanwhile, in an answer nobody got.
    exchange.code = code
    exchange.response = response
    return recordRequest(exchange, outcome, endedAt)
  })
}

function recordRequest(exchange: Exchange, outcome: Outcome, endedAt: number): Maybe<void> {
  const { definition, chain } = exchange.api
  if (definition.records === undefined || endpointOf(exchange, chain.skipped) !== undefined) return undefined
  if (chain.unmasked) {
    const message = 'The analytics plugins of this API are not there: what they would mask is not stored.'
    dropRecord(new GatewayError('PSTN_API_UNAVAILABLE', message), exchange)
    return undefined
  }
  if (chain.analytics.length === 0 && exchange.detail === undefined) {
    storeUnseen(exchange, outcome, endedAt)
    return undefined
  }
  const made = writeRecord(new KeptRecord(), exchange, outcome, endedAt).toRecord()
  const texts = exchange.detail?.texts(exchange, outcome)
  if (!(texts instanceof Promise)) return analyse(exchange, Object.assign(made, texts))
  return texts.then((later) => analyse(exchange, Object.assign(made, later)))
}

/** Nobody looks at it before it is stored: it is made where it stays. */
function storeUnseen(exchange: Exchange, outcome: Outcome, endedAt: number): void {
  const { records } = exchange.api.services
  const record = writeRecord(records.blank(), exchange, outcome, endedAt)
  records.keep(record)
  if (records.hasSinks) records.send(record.toRecord())
}

/** Asks the plugins, then stores what they have left. */
function analyse(exchange: Exchange, record: AnalyticsRecord): Maybe<void> {
  if (exchange.api.chain.analytics.length === 0) {
    exchange.api.services.records.add(record)
    return undefined
  }
  const startedAt = performance.now()
  const kept = exchange.observed === undefined ? runAnalytics(exchange, record, 0) : tracedHook(exchange, record)
  if (!(kept instanceof Promise)) return kept ? store(exchange, record, startedAt) : undefined
  return kept.then((keep) => (keep ? store(exchange, record, startedAt) : undefined))
}

/** A copy: a plugin that kept the record must not change what is stored. */
function store(exchange: Exchange, record: AnalyticsRecord, startedAt: number): void {
  const took = performance.now() - startedAt
  try {
    const stored = finished(record)
    stored.latency.hooks.analytics = took
    exchange.api.services.records.add(stored)
  } catch (cause) {
    const what =
      cause instanceof ShapeError
        ? `what is no data: ${cause.of('the record')}`
        : `something that is no data: ${describe(cause)}.`
    const error = new GatewayError('PSTN_PLUGIN_BAD_RETURN', `An analytics plugin put into the record ${what}`, {
      cause,
    })
    dropRecord(error, exchange)
  }
}

function tracedHook(exchange: Exchange, record: AnalyticsRecord): Maybe<boolean> {
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

/** Which of some endpoints the client asked for, whatever plugins have made of its request. */
function endpointOf({ method, request }: Exchange, endpoints: EndpointTree<string>): string | undefined {
  return endpoints.size === 0 ? undefined : endpoints.find(method, GatewayRequest.matchedPath(request))?.value
}

/** Those of its policies, of its developer, of the session, of the headers and of the API, in this order. */
function writeTags(tags: string[], { api, caller, request }: Exchange): void {
  if (tags.length > 0) tags.length = 0
  if (caller !== undefined) {
    const { session } = caller
    for (const id of policyIds(session)) tags.push(`pol-${id}`)
    const developer = session.metadata['tyk_developer_id']
    if (typeof developer === 'string' && developer !== '') tags.push(`dev-${developer}`)
    tags.push(...session.tags)
  }
  const { records } = api.definition
  if (records === undefined) return
  for (const name of records.tagHeaders)
    for (const value of request.headers.getAll(name))
      if (value !== '') tags.push(`${name}-${api.masks.header(name, value)}`)
  tags.push(...records.tags)
}

const CENTURY_MS = 3_155_760_000_000

/** Writes all of a record, over one that may be of another request. */
function writeRecord(into: KeptRecord, exchange: Exchange, { status }: Outcome, endedAt: number): KeptRecord {
  const { api, request, caller, startedAt } = exchange
  const { info, definition, masks } = api
  const { listenPath, records } = definition
  const totalMs = endedAt - startedAt
  const upstreamMs = timeBehind(exchange, endedAt)
  // By the clock of the end: a tunnel may have outlived the time its host believed in when it began.
  const timestampMs = Date.now() - Math.round(totalMs)
  const retentionMs = records?.retention === undefined ? CENTURY_MS : records.retention * 1_000
  const pattern = endpointOf(exchange, api.chain.tracked)
  const originalUrl = masks.url(request.originalUrl)
  const userAgent = masks.hides('user-agent') ? MASK : (request.headers.get('user-agent') ?? '')
  into.timestampMs = timestampMs
  into.expireAtMs = timestampMs + retentionMs
  into.apiId = info.id
  into.apiName = info.name
  into.apiVersion = definition.version === '' ? 'Non Versioned' : definition.version
  into.orgId = info.orgId
  into.apiKey = caller === undefined ? '' : recordedId(caller, api)
  into.alias = caller?.session.alias ?? ''
  into.oauthId = caller?.session.oauthClientId ?? ''
  writeTags(into.tags, exchange)
  into.method = request.method
  into.host = GatewayRequest.upstreamUrl(request)?.host ?? request.host
  into.path = either(into.path, pattern ?? request.path)
  into.rawPath = either(into.rawPath, (listenPath === '/' ? '' : listenPath) + GatewayRequest.matchedPath(request))
  into.originalPath = either(into.originalPath, pathOf(originalUrl))
  into.originalUrl = either(into.originalUrl, originalUrl)
  into.listenPath = listenPath
  into.trackPath = pattern !== undefined
  into.contentLength = lengthOf(request)
  into.userAgent = either(into.userAgent, userAgent)
  into.clientAddress = either(into.clientAddress, request.clientAddress)
  into.responseCode = status
  into.code = exchange.code ?? ''
  into.upgraded = exchange.upgraded
  into.totalMs = totalMs
  into.upstreamMs = upstreamMs
  into.setHooks(exchange.hookTimes)
  into.bytesIn = bytesIn(request)
  into.bytesOut = bytesOut(exchange, status)
  return into
}

/** An id that is the key itself would open the API to whoever reads records. */
function recordedId({ id }: Caller, { services }: CompiledApi): string {
  return services.store.keys.arePlain === true && isKeyId(id) ? digest(id) : id
}

/** The one there was, where it is the same: a text of this request would have to be moved out of the way of the collector. */
function either(before: string, now: string): string {
  return before === now ? before : now
}

/** Who answers by itself, or never did, is asked until the end. */
function timeBehind({ response, upstreamStartedAt, upstreamMs }: Exchange, endedAt: number): number {
  const unanswered = response === undefined && upstreamMs === 0 && upstreamStartedAt > 0
  return unanswered ? endedAt - upstreamStartedAt : upstreamMs
}

function pathOf(target: string): string {
  const own = withoutAuthority(target)
  const mark = own.indexOf('?')
  return mark === -1 ? own : own.slice(0, mark)
}

function lengthOf(request: GatewayRequest): number {
  return isChunked(request) ? -1 : (declaredLength(request) ?? 0)
}

function bytesIn(request: GatewayRequest): number {
  return (GatewayRequest.tunnel(request)?.transferred ?? 0) + GatewayRequest.body(request).receivedBytes
}

function bytesOut({ response, method }: Exchange, status: number): number {
  if (response === undefined || (response.status !== 101 && isBodyless(method, status))) return 0
  const tunnel = GatewayResponse.tunnel(response)
  if (tunnel !== undefined) return tunnel.transferred
  const content = GatewayResponse.body(response).content()
  if (content instanceof ByteStream) return content.transferred
  return content instanceof Buffer && status !== 499 ? content.length : 0
}
