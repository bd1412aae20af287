import { keptListenPath } from '../definition/kept-listen-path.ts'
import type { ApiInfo } from '../api.ts'
import type { GatewayErrorCode } from '../errors.ts'
import { sentOf } from '../forward/sent.ts'
import { GatewayRequest } from '../http/request.ts'
import type { Exchange } from './exchange.ts'
import type { RequestTrace, UpstreamTrace } from './traces.ts'

/** Getters on a class: made once, not for each message. */
export class RequestMessage implements RequestTrace {
  readonly api: ApiInfo
  readonly exchange: Exchange
  readonly request: GatewayRequest
  readonly method: string
  readonly httpVersion: string
  readonly startedAt: number
  readonly parent: Exchange | undefined
  within: RequestTrace['within']
  durationMs?: number
  status?: number
  cut?: boolean
  code?: GatewayErrorCode | undefined

  constructor(exchange: Exchange) {
    this.api = exchange.api.info
    this.exchange = exchange
    this.request = exchange.request
    this.method = exchange.method
    this.httpVersion = exchange.httpVersion
    this.startedAt = exchange.startedAt
    this.parent = exchange.calledBy
  }

  get url(): string {
    return this.exchange.api.masks.url(this.request.originalUrl)
  }

  get requestId(): string {
    return this.exchange.requestId
  }
}

export class UpstreamMessage implements UpstreamTrace {
  readonly api: ApiInfo
  readonly exchange: Exchange
  readonly request: GatewayRequest
  readonly host: boolean
  readonly startedAt: number = performance.now()
  target: string | undefined
  within: UpstreamTrace['within']
  durationMs?: number
  error?: unknown
  attempts?: number
  status?: number

  constructor(exchange: Exchange, host: boolean) {
    const { api, request } = exchange
    this.api = api.info
    this.exchange = exchange
    this.request = request
    this.host = host
    const url = GatewayRequest.upstreamUrl(request)
    // One of several is chosen later.
    const open = url === api.upstream && (api.definition.upstream?.targets.length ?? 0) > 1
    this.target = open || host ? undefined : url?.href
  }

  get url(): string {
    const { api, request } = this.exchange
    const search = GatewayRequest.search(request)
    const path = GatewayRequest.behind(keptListenPath(api.definition), request)
    return api.masks.url(search === '' ? path : `${path}?${search}`)
  }

  /** What the forwarder has noted. */
  asked(): void {
    const sent = sentOf(this.request)
    this.attempts = sent?.attempts ?? 1
    this.target = sent?.to.href ?? this.target
  }
}
