import type { UpstreamSettings } from '../definition/upstream-defaults.ts'
import type { GatewayError } from '../errors.ts'
import { ByteStream, type ByteProducer } from '../http/byte-stream.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import { type Asker, type Exchange, EXPECTS_BODY } from './exchange.ts'
import type { Lease } from './lease.ts'
import type { Leases } from './leases.ts'
import type { Pools } from './pools.ts'
import { declaredLength, requestHead } from './request-head.ts'
import type { ReceivedHead } from './received-head.ts'
import { noteSending } from './sent.ts'
import { isHangUp, isOwnFault, upstreamError } from './upstream-error.ts'
import { goneWith } from './waiting-line.ts'

/** What all requests of one API go out on. */
export interface Road {
  readonly pools: Pools
  readonly leases: Leases
  readonly settings: UpstreamSettings
  /** What is put back in front of the path. */
  readonly pathPrefix: string
  readonly maxBufferedBytes: number
}

/** Twice is as good as once (RFC 9110 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * One request on its way: what its connection tells becomes one response whose body is pushed as it arrives. An attempt
 * that no upstream can have acted on is made again.
 */
export class Sending implements ByteProducer, Asker {
  readonly #road: Road
  readonly #request: GatewayRequest
  readonly #content: Buffer | ByteStream | undefined
  readonly #resolve: (response: GatewayResponse) => void
  readonly #reject: (error: unknown) => void
  #lease: Lease | undefined
  #tried: UpstreamUrl[] | undefined
  #failure: GatewayError | undefined
  #exchange: Exchange | undefined
  #body: ByteStream | undefined
  /** Something of an answer has arrived for this attempt. */
  #started = false
  /** The lease knows what became of it. */
  #judged = false
  #settled = false

  constructor(
    road: Road,
    request: GatewayRequest,
    content: Buffer | ByteStream | undefined,
    resolve: (response: GatewayResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#road = road
    this.#request = request
    this.#content = content
    this.#resolve = resolve
    this.#reject = reject
    GatewayRequest.onCancel(request, () => this.#giveUp())
  }

  send(): void {
    const refused = (error: unknown): void => {
      this.#settled = true
      // That nobody else can be asked is no news beside what happened to the one who was.
      this.#reject(this.#failure ?? error)
    }
    try {
      const lease = this.#road.leases.lease(this.#request, this.#tried)
      if (lease instanceof Promise) lease.then((later) => this.#dispatch(later), refused)
      else this.#dispatch(lease)
    } catch (error) {
      refused(error)
    }
  }

  #dispatch(lease: Lease): void {
    if (GatewayRequest.cancelReason(this.#request) !== undefined) {
      lease.end()
      this.#giveUp()
      return
    }
    this.#lease = lease
    noteSending(this.#request, lease.url)
    this.#started = false
    this.#judged = false
    const { pools, settings, pathPrefix } = this.#road
    const { origin, serverName } = lease.url
    const content = this.#content
    try {
      const { method, target, headers } = requestHead(this.#request, lease.url, settings, pathPrefix)
      const length = content instanceof ByteStream ? streamLength(this.#request) : (content?.length ?? 0)
      const { headersTimeoutMs, bodyTimeoutMs } = settings
      pools.get(origin, settings, lease.guarded).dispatch(
        {
          origin,
          serverName,
          method,
          target,
          headers,
          body: content,
          length: length === 0 && !EXPECTS_BODY.has(method) ? undefined : length,
          headersTimeoutMs,
          bodyTimeoutMs,
        },
        this,
      )
    } catch (error) {
      this.#settled = true
      this.#endLease()
      this.#reject(error)
    }
  }

  connected(exchange: Exchange): void {
    this.#exchange = exchange
    if (GatewayRequest.cancelReason(this.#request) !== undefined) exchange.abort(this)
  }

  started(): void {
    this.#started = true
  }

  head(head: ReceivedHead, whole: Buffer | undefined): void {
    this.#settled = true
    this.#judged = true
    try {
      const { status } = head
      const headers = head.headers()
      this.#lease?.answered(status)
      if (whole === undefined) this.#body = new ByteStream(this)
      // The length of a 304 is that of the answer there would have been; undici waits for its bytes.
      if (status === 204 || status === 304) this.#body?.end()
      this.#resolve(new GatewayResponse(status, headers, whole ?? this.#body, this.#road.maxBufferedBytes))
    } catch (error) {
      this.#lease?.failed(error as GatewayError)
      this.#reject(error)
      this.#exchange?.abort(this)
    }
  }

  data(chunk: Buffer): boolean {
    return this.#body?.push(chunk) ?? true
  }

  get holds(): boolean {
    return this.#body?.holds ?? false
  }

  release(chunk: Uint8Array): void {
    this.#exchange?.release?.(chunk)
  }

  end(): void {
    this.#endLease()
    this.#body?.end()
  }

  error(cause: Error): void {
    const connected = this.#exchange !== undefined
    // Who could not be reached is to blame for that, also where the client has lost its patience over it.
    const gone = connected ? GatewayRequest.cancelReason(this.#request) : undefined
    const error = upstreamError(cause, this.#body !== undefined, gone)
    if (!this.#judged && !isOwnFault(cause)) this.#lease?.failed(error)
    const url = this.#endLease()
    if (this.#settled) {
      this.#body?.fail(error)
      return
    }
    this.#failure = error
    if (url !== undefined && !isOwnFault(cause)) (this.#tried ??= []).push(url)
    if (this.#mayRepeat(cause, error, connected)) {
      this.#exchange = undefined
      this.send()
      return
    }
    this.#settled = true
    this.#reject(error)
  }

  /** Only what no upstream can have acted on: nothing has left, or nothing that twice is worse than once. */
  #mayRepeat(cause: Error, { code }: GatewayError, connected: boolean): boolean {
    const tried = this.#tried ?? []
    const gone = GatewayRequest.cancelReason(this.#request) !== undefined
    if (gone || tried.length > this.#road.settings.retries || isOwnFault(cause)) return false
    if (!connected) {
      const unreached = code === 'PSTN_UPSTREAM_UNREACHABLE' || code === 'PSTN_UPSTREAM_TIMEOUT'
      return unreached && this.#isWhole() && this.#road.leases.hasOthers(this.#request, tried)
    }
    return !this.#started && isHangUp(cause) && IDEMPOTENT.has(this.#request.method) && this.#isEmpty()
  }

  #isWhole(): boolean {
    return !(this.#content instanceof ByteStream) || !this.#content.consumed
  }

  #isEmpty(): boolean {
    return this.#content === undefined || (this.#content instanceof Buffer && this.#content.length === 0)
  }

  /** The client has gone, or its time is up. While it connects there is nothing to abort: its connection is kept for others. */
  #giveUp(): void {
    if (this.#exchange !== undefined) this.#exchange.abort(this)
    else if (!this.#settled) {
      this.#settled = true
      this.#reject(goneWith(this.#request))
    }
  }

  #endLease(): UpstreamUrl | undefined {
    const lease = this.#lease
    this.#lease = undefined
    lease?.end()
    return lease?.url
  }

  resume(): void {
    this.#exchange?.resume(this)
  }

  cancel(): void {
    this.#exchange?.abort(this)
  }
}

/** A stream that came in keeps its length; one a plugin put in place is chunked. */
function streamLength(request: GatewayRequest): number | undefined {
  return GatewayRequest.body(request).untouched ? declaredLength(request) : undefined
}
