import { describe, GatewayError, isGatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { Unavailable } from '../forward/unavailable.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { toAnswer } from '../http/decision.ts'
import { GatewayHeaders } from '../http/headers.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import { BrokenTransform } from '../http/transforming.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import type { Exchange, HostForwarder } from './exchange.ts'
import { warnOfIgnoredRequestFields, warnOfIgnoredResponseFields } from './ignored-fields.ts'
import { reportFailure, runPlugin } from './run-plugin.ts'
import { runSteps } from './steps.ts'
import { keepForHost, traceHook, traceUpstream } from './tracing.ts'
import { cancelledAnswer, type Ended, errorAnswer, passOrEnd } from './verdicts.ts'

/** The host application answers by itself, and nobody in the chain wants to see what. */
export const HANDED_OVER = 'handed over'

export type ExchangeAnswer = GatewayResponse | typeof HANDED_OVER

/**
 * One request, from its first step to the answer that may leave; `host` is the application behind, if there is one.
 * Synchronous as long as every step is. Rejects only with what is a bug: of the host application, or ours.
 */
export function answer(exchange: Exchange, host?: HostForwarder): Maybe<ExchangeAnswer> {
  const { request, watchedRequest } = exchange.api.chain
  const ended = runSteps(exchange.observed === undefined ? request : watchedRequest, exchange)
  return ended instanceof Promise
    ? ended.then((early) => afterRequest(exchange, early, host))
    : afterRequest(exchange, ended, host)
}

function afterRequest(exchange: Exchange, early: Ended, host: HostForwarder | undefined): Maybe<ExchangeAnswer> {
  exchange.recordAsSessionSays()
  if (early !== undefined) {
    exchange.leaveHook()
    return ofGateway(exchange, early)
  }
  if (exchange.cancellation.cancelled) return cancelledAnswer(exchange)
  const { request, api, method } = exchange
  if (GatewayRequest.upstreamUrl(request) !== undefined || api.customForwarder) return askBehind(exchange, undefined)
  if (host === undefined) {
    leavesChain(exchange)
    return ofGateway(exchange, errorAnswer('PSTN_NOT_FOUND', exchange))
  }
  // A host frames its answer by the method it sees: one that differs in having a body has to be framed again here.
  const reframe = (request.method === 'HEAD') !== (method === 'HEAD')
  // What comes after an upgrade is no answer that could be caught.
  const upgrading = GatewayRequest.tunnel(request) !== undefined
  if (upgrading || (api.chain.response.length === 0 && !reframe && exchange.detail === undefined)) {
    leavesChain(exchange)
    keepForHost(exchange)
    exchange.answered = true
    exchange.response = undefined
    if (upgrading) exchange.becomeTunnel()
    return HANDED_OVER
  }
  return askBehind(exchange, host)
}

/** Sends the request to the upstream or to the host application, and has its answer meet the response plugins. */
function askBehind(exchange: Exchange, host: HostForwarder | undefined): Promise<GatewayResponse> {
  return fromBehind(exchange, exchange.observed === undefined ? ask(exchange, host) : askTraced(exchange, host))
}

function ask(exchange: Exchange, host: HostForwarder | undefined): Promise<GatewayResponse> {
  leavesChain(exchange)
  const { request } = exchange
  return host === undefined ? forwarded(exchange) : untilCancelled(request, host(request))
}

function askTraced(exchange: Exchange, host: HostForwarder | undefined): Promise<GatewayResponse> {
  return traceUpstream(exchange, host !== undefined, () => ask(exchange, host))
}

/** From here on nothing that is done to the request has an effect. */
function leavesChain(exchange: Exchange): void {
  const { request } = exchange
  GatewayRequest.seal(request, exchange)
  if (GatewayRequest.upstreamUrl(request) !== undefined) warnOfIgnoredRequestFields(exchange)
  exchange.upstreamStartedAt = performance.now()
  exchange.leaveHook(exchange.upstreamStartedAt)
}

/** Answers of the gateway itself go out as they are, unless the definition shows them to the response plugins as well. */
function ofGateway(exchange: Exchange, response: GatewayResponse): Maybe<GatewayResponse> {
  withLimits(exchange, response)
  const { api, request, cancellation } = exchange
  // Nobody is there to read it, or the time of the request is up: that is no time to begin something.
  if (api.definition.responseScope === 'upstream' || cancellation.cancelled) return sealed(exchange, response)
  exchange.origin = 'gateway'
  GatewayRequest.seal(request, exchange)
  return responseHook(exchange, response)
}

/** Answers from behind meet the response plugins. */
function fromBehind(exchange: Exchange, behind: Promise<GatewayResponse>): Promise<GatewayResponse> {
  return behind.then(
    (response) => {
      const now = performance.now()
      exchange.upstreamMs = now - exchange.upstreamStartedAt
      GatewayResponse.answers(response, exchange.request.method)
      return responseHook(exchange, withLimits(exchange, response), now)
    },
    (error: unknown) => upstreamFailed(exchange, error),
  )
}

/** Tells the client where its limits stand; what the upstream says of limits of its own is not about ours. */
function withLimits({ limitHeaders }: Exchange, response: GatewayResponse): GatewayResponse {
  if (limitHeaders !== undefined && limitHeaders.length > 0) GatewayHeaders.put(response.headers, limitHeaders)
  return response
}

function forwarded(exchange: Exchange): Promise<GatewayResponse> {
  const { api, request } = exchange
  const send = api.customForwarder ? askForwarder : sendOut
  return isSmall(exchange) ? request.bytes().then(() => send(exchange)) : send(exchange)
}

/** A small body of known length is read whole: head and body leave in one write, and response plugins may still look at it. */
function isSmall({ api, request }: Exchange): boolean {
  const length = Number(request.headers.get('content-length') ?? 0)
  return (
    length > 0 &&
    length <= Math.min(SMALL_BODY_BYTES, api.definition.maxBufferedBytes) &&
    GatewayRequest.body(request).untouched
  )
}

/** What the built-in forwarder throws at once is a rejection like the rest. */
function sendOut({ api, request }: Exchange): Promise<GatewayResponse> {
  try {
    return api.forward(request) as Promise<GatewayResponse>
  } catch (error) {
    return rejected(error)
  }
}

async function rejected(error: unknown): Promise<never> {
  throw error
}

async function askForwarder({ api, request }: Exchange): Promise<GatewayResponse> {
  // An async function, so that what it throws at once is a rejection like the rest.
  const answering = (async () => api.forward(request))()
  const result = await untilCancelled(request, answering)
  if (result instanceof GatewayResponse) {
    if (!GatewayResponse.isSealed(result)) return result
    throw new TypeError('The forwarder returned a GatewayResponse that was sent before; it has to make a new one.')
  }
  const answered = toAnswer(result, () => request.headers.get('content-type'), api.definition.maxBufferedBytes)
  if (answered === undefined)
    throw new TypeError(
      `The forwarder returned ${describe(result)}; expected a GatewayResponse, a Response or a decision.`,
    )
  return answered.response
}

/** A forwarder of the host's, and a host application, need not look at the signal for their request to end. */
function untilCancelled<T>(request: GatewayRequest, answering: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    GatewayRequest.onCancel(request, () => reject(GatewayRequest.cancelReason(request)!))
    answering.then(resolve, reject)
  })
}

const SMALL_BODY_BYTES = 65_536

/** `now` is a look at the clock somebody has just taken. */
function responseHook(exchange: Exchange, response: GatewayResponse, now?: number): Maybe<GatewayResponse> {
  const { chain, definition } = exchange.api
  if (chain.response.length === 0) return throughPlugins(exchange, response, 0)
  if (definition.records !== undefined) exchange.enterHook('response', now)
  return exchange.observed === undefined ? throughPlugins(exchange, response, 0) : tracedHook(exchange, response)
}

function tracedHook(exchange: Exchange, response: GatewayResponse): Maybe<GatewayResponse> {
  return traceHook(
    'response',
    exchange,
    () => throughPlugins(exchange, response, 0),
    (answered) => (answered === response ? 'passed' : 'answered'),
  )
}

/** Response plugins in order, from `from`; the first that replaces the answer, or breaks, has the last word. */
function throughPlugins(exchange: Exchange, response: GatewayResponse, from: number): Maybe<GatewayResponse> {
  const plugins = exchange.api.chain.response
  for (let i = from; i < plugins.length; i += 1) {
    GatewayResponse.show(response, plugins[i])
    const outcome = runPlugin(plugins[i]!, response, exchange, passOrEnd)
    if (outcome instanceof Promise) return outcome.then((later) => replacedOr(exchange, response, later, i + 1))
    if (outcome !== undefined) return replacedOr(exchange, response, outcome, i + 1)
  }
  return sealed(exchange, response)
}

function replacedOr(
  exchange: Exchange,
  response: GatewayResponse,
  replacement: Ended,
  next: number,
): Maybe<GatewayResponse> {
  if (exchange.cancellation.cancelled) return replacedBy(cancelledAnswer(exchange), response, exchange)
  return replacement === undefined
    ? throughPlugins(exchange, response, next)
    : replacedBy(replacement, response, exchange)
}

function replacedBy(replacement: GatewayResponse, response: GatewayResponse, exchange: Exchange): GatewayResponse {
  GatewayResponse.seal(response, exchange)
  GatewayResponse.discard(response)
  return sealed(exchange, withLimits(exchange, replacement))
}

/** From here on the messages belong to the wire; what a plugin still does to them has no effect and is reported. */
function sealed(exchange: Exchange, response: GatewayResponse): GatewayResponse {
  exchange.answered = true
  exchange.response = response
  exchange.leaveHook()
  exchange.detail?.answer(response)
  if (GatewayResponse.tunnel(response) !== undefined) exchange.becomeTunnel()
  const body = GatewayResponse.body(response)
  body.settle()
  const content = body.content()
  if (content instanceof ByteStream) content.limitStall(exchange.api.definition.sendTimeoutMs)
  GatewayRequest.seal(exchange.request, exchange)
  GatewayResponse.seal(response, exchange)
  warnOfIgnoredResponseFields(exchange, response)
  return response
}

function upstreamFailed(exchange: Exchange, error: unknown): Maybe<GatewayResponse> {
  exchange.upstreamMs = performance.now() - exchange.upstreamStartedAt
  const response = failureAnswer(exchange, error)
  if (response !== undefined) return ofGateway(exchange, response)
  // Whoever catches it must see that something failed, also when nothing was thrown.
  throw error instanceof Error
    ? error
    : new GatewayError('PSTN_INTERNAL', `Rejected with ${describe(error)}.`, { cause: error })
}

/** A stream of a plugin's own has failed. */
function reportBroken(exchange: Exchange, error: GatewayError): void {
  if (error instanceof BrokenTransform && error.plugin !== undefined)
    reportFailure(error, error.plugin as LoadedPlugin, exchange)
}

/** The answer to what the network or the messages did; undefined for anything else, which is a bug. */
export function failureAnswer(exchange: Exchange, error: unknown): GatewayResponse | undefined {
  if (!isGatewayError(error) || error.status === null || error.code === 'PSTN_INTERNAL') return undefined
  if (error.code.startsWith('PSTN_UPSTREAM_') || error.code === 'PSTN_BODY_CONSUMED')
    exchange.api.services.events.emit('upstreamError', { api: exchange.api.info, error })
  const response = errorAnswer(error.code, exchange)
  if (error instanceof Unavailable) response.headers.set('retry-after', String(error.retryAfterSeconds))
  return response
}

/** An answer broke off after its head was out: nobody can be told any more but those who run the gateway. */
export function cutShort(exchange: Exchange, error: GatewayError): void {
  exchange.code ??= error.code
  reportBroken(exchange, error)
  if (error.code.startsWith('PSTN_UPSTREAM_'))
    exchange.api.services.events.emit('upstreamError', { api: exchange.api.info, error })
}
