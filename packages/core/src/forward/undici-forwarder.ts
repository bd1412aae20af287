import type { ApiDefinition } from '../api.ts'
import { UPSTREAM_DEFAULTS } from '../definition/upstream-defaults.ts'
import { GatewayError } from '../errors.ts'
import { ByteStream, type ByteProducer } from '../http/byte-stream.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import type { Forwarder } from './forwarder.ts'
import type { Pools } from './pools.ts'
import { declaredLength, requestHead } from './request-head.ts'
import { responseHeaders } from './response-head.ts'
import { upstreamError } from './upstream-error.ts'

/** Forwards over undici's keep-alive pools. `pathPrefix` is put back in front of the path when the listen path is not stripped. */
export function undiciForwarder(pools: Pools, definition: ApiDefinition): Forwarder {
  const settings = definition.upstream ?? UPSTREAM_DEFAULTS
  const pathPrefix = definition.stripListenPath || definition.listenPath === '/' ? '' : definition.listenPath
  return (request) => {
    const to = GatewayRequest.upstreamUrl(request)
    if (to === undefined) throw new GatewayError('PSTN_INTERNAL', 'A request without an upstream was forwarded.')
    const head = requestHead(request, to, settings, pathPrefix)
    const content = GatewayRequest.body(request).content()
    const send = (body: Buffer | ByteStream | undefined): Promise<GatewayResponse> =>
      new Promise((resolve, reject) => {
        const length = body instanceof ByteStream ? streamLength(request) : body?.length
        // An empty body is announced where one is expected, so that a server need not wait for it (RFC 9110 8.6).
        if (length !== undefined && (length > 0 || EXPECTS_BODY.has(head.method)))
          head.headers.push('Content-Length', String(length))
        pools.get(to.origin, settings).dispatch(
          {
            origin: to.origin,
            // The certificate is the upstream's, whatever host the client asked for.
            ...(to.serverName !== undefined && { servername: to.serverName }),
            method: head.method,
            path: head.target,
            headers: head.headers,
            body: body instanceof ByteStream ? body.toReadable() : (body ?? null),
            headersTimeout: settings.headersTimeoutMs,
            bodyTimeout: settings.bodyTimeoutMs,
          },
          new ResponseHandler(request, definition.maxBufferedBytes, resolve, reject),
        )
      })
    return content instanceof Promise ? content.then(send) : send(content)
  }
}

const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH'])

/** A stream that came in keeps its length; one a plugin put in place is chunked. */
function streamLength(request: GatewayRequest): number | undefined {
  return GatewayRequest.body(request).untouched ? declaredLength(request) : undefined
}

/** Turns undici's callbacks into one response whose body is pushed as it arrives. */
class ResponseHandler implements ByteProducer {
  readonly #request: GatewayRequest
  readonly #maxBufferedBytes: number
  readonly #resolve: (response: GatewayResponse) => void
  readonly #reject: (error: GatewayError) => void
  #abort: ((error?: Error) => void) | undefined
  #resume: () => void = () => undefined
  #body: ByteStream | undefined
  #settled = false

  constructor(
    request: GatewayRequest,
    maxBufferedBytes: number,
    resolve: (response: GatewayResponse) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#request = request
    this.#maxBufferedBytes = maxBufferedBytes
    this.#resolve = resolve
    this.#reject = reject
    GatewayRequest.onCancel(request, () => this.#abort?.())
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort
    if (GatewayRequest.cancelReason(this.#request) !== undefined) abort()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    // 103 and the like announce the answer, they are not it.
    if (status >= 100 && status < 200) return true
    const lines = rawHeaders.map((bytes) => bytes.toString('latin1'))
    this.#resume = resume
    this.#settled = true
    try {
      const headers = responseHeaders(status, lines)
      this.#body = new ByteStream(this)
      this.#resolve(new GatewayResponse(status, headers, this.#body, this.#maxBufferedBytes))
    } catch (error) {
      this.#reject(error as GatewayError)
      this.#abort?.()
      return false
    }
    return true
  }

  onData(chunk: Buffer): boolean {
    return this.#body?.push(chunk) ?? true
  }

  onComplete(): void {
    this.#body?.end()
  }

  onError(cause: Error): void {
    const error = upstreamError(cause, this.#settled, GatewayRequest.cancelReason(this.#request))
    if (this.#settled) this.#body?.fail(error)
    else this.#reject(error)
    this.#settled = true
  }

  resume(): void {
    this.#resume()
  }

  cancel(): void {
    this.#abort?.()
  }
}
