import { answer, type ExchangeAnswer, failureAnswer } from './chain/answer.ts'
import type { ApiIndex } from './chain/api-index.ts'
import type { CompiledApi } from './chain/compiled-api.ts'
import { Exchange, type HostForwarder } from './chain/exchange.ts'
import { conclude } from './chain/recording.ts'
import { GatewayError, type GatewayErrorCode, publicMessage, stackOf } from './errors.ts'
import type { Maybe } from './hooks.ts'
import type { ByteStream } from './http/byte-stream.ts'
import { Cancellation } from './http/cancellation.ts'
import { Client, type Peer } from './http/client.ts'
import { refuse } from './http/decision.ts'
import { GatewayHeaders } from './http/headers.ts'
import { below, canonicalPath, parseTarget, type RequestTarget } from './http/path.ts'
import { GatewayRequest } from './http/request.ts'
import type { GatewayResponse } from './http/response.ts'

/** A request as an adapter hands it over: the host's own values, nothing worked out. */
export interface HostCall {
  readonly method: string
  /** The request target as the client sent it, the mount path included. */
  readonly originalUrl: string
  /** What the host has taken off the path before it asked the gateway; empty at the root. */
  readonly basePath: string
  /** Flat `[name, value, ...]`, as Node has it. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
  /** Called once when an API accepts the request. `limitBytes` bounds what may come out of a stream. */
  readonly body: (limitBytes: number) => Buffer | ByteStream | undefined
}

/** A request the gateway has taken; the adapter asks for its answer, and says when it is out. */
export interface Acceptance {
  /** Undefined when the request was refused before it met an API. */
  readonly request: GatewayRequest | undefined
  /** The client's own: whether its answer may have a body does not depend on what plugins asked the upstream. */
  readonly method: string
  readonly maxBufferedBytes: number
  /**
   * The request target the host application is to see, relative to the mount; undefined when it is to see the one it
   * has. What was matched and what the host sees is one spelling.
   */
  hostTarget(): string | undefined
  /** `host` is the application behind the gateway; undefined when nothing stands there. */
  answer(host?: HostForwarder): Maybe<ExchangeAnswer>
  /** The answer to what went wrong on the way to the host; undefined for a bug, which is the host's own channel's. */
  failure(error: unknown): GatewayResponse | undefined
  /** The client hung up: everything done for it stops. */
  cancel(): void
  /** The answer is out (or never will be): `status` is what the client got, 499 for nothing. */
  conclude(status: number): void
}

/** Stage 0: one canonical spelling of the path, the longest listen path, and from then on an exchange. */
export class Intake {
  readonly #apis: ApiIndex
  readonly #passive: boolean
  readonly #running = new Set<Cancellation>()
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined

  constructor(apis: ApiIndex) {
    this.#apis = apis
    this.#passive = apis.all.every((api) => api.passive)
  }

  /** Undefined: no API listens there, the host goes on. */
  accept(call: HostCall): Acceptance | undefined {
    const target = parseTarget(call.originalUrl)
    const path = target === undefined ? undefined : belowMount(call.basePath, target.path)
    if (target === undefined || path === undefined) {
      // A path with two readings is dangerous where something is decided by it, and the host's own affair elsewhere.
      return this.#passive ? undefined : refused('PSTN_PATH_INVALID', 400, call)
    }
    const match = this.#apis.find(path)
    if (match === undefined) {
      if (call.basePath !== '') this.#warnOfDoubledMount(call, target.path)
      return undefined
    }
    if (this.#closing !== undefined) return refused('PSTN_CLOSED', 503, call)
    return this.#exchange(call, target, match.api, match.path)
  }

  /** Mounted at `/orders` with the listen path `/orders`, an API listens at `/orders/orders` and guards nothing else. */
  #warnOfDoubledMount({ basePath }: HostCall, path: string): void {
    const meant = this.#apis.find(path)?.api
    if (meant === undefined || meant.definition.listenPath === '/') return
    const { definition } = meant
    const { name } = definition
    meant.services.events.warn(
      `mount ${name}`,
      `API "${name}" is mounted at ${basePath}, so it listens at ${basePath}${definition.listenPath}, not at ${definition.listenPath}. Mount it at the root, or leave the mount path out of listenPath.`,
    )
  }

  close(timeoutMs: number, release: (force: boolean) => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(timeoutMs, release)
    return this.#closing
  }

  async #close(timeoutMs: number, release: (force: boolean) => Promise<void>): Promise<void> {
    if (this.#running.size > 0) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([
        new Promise<void>((resolve) => (this.#idle = resolve)),
        new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs))),
      ])
      clearTimeout(timer)
    }
    const left = [...this.#running]
    for (const cancellation of left) cancellation.cancel(new GatewayError('PSTN_CLOSED', 'The gateway was closed.'))
    await release(left.length > 0)
  }

  #exchange(call: HostCall, target: RequestTarget, api: CompiledApi, path: string): Acceptance {
    const { maxBodyBytes, maxBufferedBytes } = api.definition
    const cancellation = new Cancellation()
    const request = new GatewayRequest({
      method: call.method,
      path,
      search: target.search,
      originalUrl: call.originalUrl,
      headers: new GatewayHeaders(call.rawHeaders),
      body: call.body(maxBodyBytes),
      client: new Client(call.peer, call.rawHeaders, api.trust),
      upstream: api.upstream,
      cancellation,
      maxBufferedBytes,
    })
    this.#running.add(cancellation)
    return new AcceptedRequest(new Exchange(api, request, cancellation, 0), call, target, () =>
      this.#finished(cancellation),
    )
  }

  #finished(cancellation: Cancellation): boolean {
    const first = this.#running.delete(cancellation)
    if (this.#running.size === 0) this.#idle?.()
    return first
  }
}

class AcceptedRequest implements Acceptance {
  readonly request: GatewayRequest
  readonly method: string
  readonly maxBufferedBytes: number
  readonly #exchange: Exchange
  readonly #call: HostCall
  readonly #target: RequestTarget
  /** False when it was finished before. */
  readonly #finish: () => boolean

  constructor(exchange: Exchange, call: HostCall, target: RequestTarget, finish: () => boolean) {
    this.request = exchange.request
    this.method = call.method
    this.maxBufferedBytes = exchange.api.definition.maxBufferedBytes
    this.#exchange = exchange
    this.#call = call
    this.#target = target
    this.#finish = finish
  }

  hostTarget(): string | undefined {
    const { api, request } = this.#exchange
    const untouched = !GatewayRequest.targetTouched(request) && isPathOf(this.#call.originalUrl, this.#target.path)
    if (api.passive || untouched) return undefined
    const { listenPath } = api.definition
    const search = GatewayRequest.search(request)
    return (listenPath === '/' ? '' : listenPath) + request.path + (search === '' ? '' : `?${search}`)
  }

  answer(host?: HostForwarder): Maybe<ExchangeAnswer> {
    return answer(this.#exchange, host)
  }

  failure(error: unknown): GatewayResponse | undefined {
    return failureAnswer(this.#exchange, error)
  }

  cancel(): void {
    this.#exchange.cancellation.cancel(new GatewayError('PSTN_CLIENT_CLOSED', 'The client hung up.'))
  }

  conclude(status: number): void {
    if (!this.#finish()) return
    try {
      conclude(this.#exchange, { status })
    } catch (error) {
      // Nobody waits for this any more, and an exception here would be nobody's to catch.
      const { services, info } = this.#exchange.api
      services.events.warn(`conclude ${info.id}`, `A request of API "${info.name}" was not recorded: ${stackOf(error)}`)
    }
  }
}

function isPathOf(url: string, path: string): boolean {
  return url.startsWith(path) && (url.length === path.length || url[path.length] === '?')
}

/** A mounted gateway sees the whole path and takes the mount off itself, by segment: what does not fit is refused. */
function belowMount(basePath: string, path: string): string | undefined {
  if (basePath === '') return path
  const base = canonicalPath(basePath)
  return base === undefined ? undefined : below(base.replace(/\/+$/, ''), path)
}

/** An answer where there is no API yet to run a chain. */
function refused(code: GatewayErrorCode, status: number, call: HostCall): Acceptance {
  const contentType = new GatewayHeaders(call.rawHeaders).get('content-type')
  const response: GatewayResponse = refuse(status, publicMessage(code), contentType, 0)
  return {
    request: undefined,
    method: call.method,
    maxBufferedBytes: 0,
    hostTarget: () => undefined,
    answer: () => response,
    failure: () => undefined,
    cancel: () => undefined,
    conclude: () => undefined,
  }
}
