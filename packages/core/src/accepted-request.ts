import { answer, cutShort, type ExchangeAnswer, failureAnswer } from './chain/answer.ts'
import type { Exchange, HostForwarder } from './chain/exchange.ts'
import { isAnybodyListening, traceRequest } from './chain/tracing.ts'
import { errorAnswer } from './chain/verdicts.ts'
import { GatewayError, type GatewayErrorCode, isGatewayError, publicMessage, publicStatus } from './errors.ts'
import type { Maybe } from './hooks.ts'
import { refuse } from './http/decision.ts'
import { GatewayHeaders } from './http/headers.ts'
import type { LimitHeader } from './limits/limit-headers.ts'
import { GatewayRequest } from './http/request.ts'
import type { GatewayResponse } from './http/response.ts'
import type { HostCall } from './host-call.ts'

/** A request the gateway has taken; the adapter asks for its answer, and says when it is out. */
export interface Acceptance {
  /** Undefined when the request was refused before it met an API. */
  readonly request: GatewayRequest | undefined
  /** The client's own: whether its answer may have a body does not depend on what plugins asked the upstream. */
  readonly method: string
  readonly maxBufferedBytes: number
  readonly maxBodyBytes: number
  /** Whether the host application is to answer, as the definition says: `freely` where nothing here decides about it. */
  readonly leadsToHost: 'never' | 'guarded' | 'freely'
  /** Is to be shown the body that the host application reads by itself; undefined where no bodies are recorded. */
  readonly watchBody: ((chunk: Uint8Array) => void) | undefined
  /** Nothing more is to be read from the connection once this is answered; may become true while it is worked on. */
  readonly closes: boolean
  /**
   * The request target the host application is to see, relative to the mount; undefined when it is to see the one it
   * has. What was matched and what the host sees is one spelling.
   */
  hostTarget(): string | undefined
  /** What the client is told beside the host application's own headers, once the request is handed over. */
  hostHeaders(): readonly LimitHeader[]
  /** `host` is the application behind the gateway; undefined when nothing stands there. */
  answer(host?: HostForwarder): Maybe<ExchangeAnswer>
  /** Runs what the host application does once the request is handed over; who listens to requests may have bound something to it. */
  within<T>(work: () => T): T
  /** The answer to what went wrong on the way to the host; undefined for a bug, which is the host's own channel's. */
  failure(error: unknown): GatewayResponse | undefined
  /** What the host has made for it, its `req` and `res` among it: what is kept of the request is kept with that. */
  attach(hostSide: object): void
  /** The client hung up: everything done for it stops. */
  cancel(): void
  /** Throws why, where somebody has: the host application is not to be asked any more. */
  stopIfCancelled(): void
  /** The answer is out (or never will be): `status` is what the client got, 499 for nothing; `cutBy` why it was cut short. */
  conclude(status: number, cutBy?: unknown): void
}

/** What an accepted request has to do with the gateway as a whole. */
export interface Life {
  /** No more requests are taken by now. */
  readonly closing: boolean
  finish(accepted: AcceptedRequest, status: number, cut: boolean): void
}

/** Behind a body that was refused, or never came, nobody knows where the next request begins. */
const LEAVES_BODY: ReadonlySet<GatewayErrorCode> = new Set([
  'PSTN_BODY_TOO_LARGE',
  'PSTN_BODY_TIMEOUT',
  'PSTN_BODY_ABORTED',
])

export class AcceptedRequest implements Acceptance {
  readonly request: GatewayRequest
  readonly method: string
  readonly maxBufferedBytes: number
  readonly maxBodyBytes: number
  readonly exchange: Exchange
  /** Undefined for an upgrade. */
  hostSide: object | undefined
  readonly #call: HostCall
  readonly #life: Life
  /** Why its head was refused. */
  readonly #problem: GatewayErrorCode | undefined
  /** What was matched, in the host's spelling; undefined where it has another one. */
  readonly #routed: string | undefined

  constructor(exchange: Exchange, call: HostCall, life: Life, problem: GatewayErrorCode | undefined, routed?: string) {
    this.request = exchange.request
    this.method = exchange.method
    this.maxBufferedBytes = exchange.api.definition.maxBufferedBytes
    this.maxBodyBytes = exchange.api.definition.maxBodyBytes
    this.exchange = exchange
    this.#call = call
    this.#life = life
    this.#problem = problem
    this.#routed = routed
  }

  get closes(): boolean {
    const { code } = this.exchange
    return this.#problem !== undefined || this.#life.closing || (code !== undefined && LEAVES_BODY.has(code))
  }

  get watchBody(): Acceptance['watchBody'] {
    return this.exchange.detail?.request.take
  }

  get leadsToHost(): Acceptance['leadsToHost'] {
    const { upstream, customForwarder, passive } = this.exchange.api
    if (upstream !== undefined || customForwarder) return 'never'
    return passive ? 'freely' : 'guarded'
  }

  hostTarget(): string | undefined {
    const { api, request } = this.exchange
    if (api.passive || (this.#isAsRouted() && !GatewayRequest.targetTouched(request))) return undefined
    const { listenPath } = api.definition
    const search = GatewayRequest.search(request)
    return GatewayRequest.behind(listenPath === '/' ? '' : listenPath, request) + (search === '' ? '' : `?${search}`)
  }

  /** What was matched is what the host has. */
  #isAsRouted(): boolean {
    const { target } = this.#call
    const path = this.#routed
    return (
      path !== undefined && target.startsWith(path) && (target.length === path.length || target[path.length] === '?')
    )
  }

  hostHeaders(): readonly LimitHeader[] {
    return this.exchange.limitHeaders ?? []
  }

  answer(host?: HostForwarder): Maybe<ExchangeAnswer> {
    return isAnybodyListening() ? this.#answerTraced(host) : this.#answer(host)
  }

  #answerTraced(host: HostForwarder | undefined): Maybe<ExchangeAnswer> {
    return traceRequest(this.exchange, () => this.#answer(host))
  }

  #answer(host: HostForwarder | undefined): Maybe<ExchangeAnswer> {
    if (this.#problem !== undefined) return errorAnswer(this.#problem, this.exchange)
    return answer(this.exchange, host)
  }

  within<T>(work: () => T): T {
    const within = this.exchange.observed?.within
    return within === undefined ? work() : within(work)
  }

  failure(error: unknown): GatewayResponse | undefined {
    return failureAnswer(this.exchange, error)
  }

  attach(hostSide: object): void {
    this.hostSide = hostSide
  }

  cancel(): void {
    this.exchange.cancellation.cancel(new GatewayError('PSTN_CLIENT_CLOSED', 'The client hung up.'))
  }

  stopIfCancelled(): void {
    const { reason } = this.exchange.cancellation
    if (reason !== undefined) throw reason
  }

  conclude(status: number, cutBy?: unknown): void {
    if (isGatewayError(cutBy)) cutShort(this.exchange, cutBy)
    this.#life.finish(this, status, cutBy !== undefined || status === 499)
  }
}

/** An answer where there is no API yet to run a chain. */
export function refused(code: GatewayErrorCode, call: HostCall): Acceptance {
  const contentType = new GatewayHeaders(call.rawHeaders).get('content-type')
  const response: GatewayResponse = refuse(publicStatus(code), publicMessage(code), contentType, 0)
  return {
    request: undefined,
    method: call.method,
    maxBufferedBytes: 0,
    maxBodyBytes: 0,
    watchBody: undefined,
    leadsToHost: 'never',
    closes: true,
    hostTarget: () => undefined,
    hostHeaders: () => [],
    answer: () => response,
    within: (work) => work(),
    failure: () => undefined,
    attach: () => undefined,
    cancel: () => undefined,
    stopIfCancelled: () => undefined,
    conclude: () => undefined,
  }
}
