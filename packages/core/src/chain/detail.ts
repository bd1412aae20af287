import { STATUS_CODES } from 'node:http'
import { BodyCapture } from '../analytics/body-capture.ts'
import { type RawMessage, rawText } from '../analytics/raw-message.ts'
import { SecretValues } from '../analytics/secret-values.ts'
import { declaredLength, isChunked } from '../forward/request-head.ts'
import type { Maybe } from '../hooks.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { GatewayHeaders, linesOf } from '../http/headers.ts'
import { isBodyless } from '../http/framing.ts'
import { isFramingField } from '../http/outgoing.ts'
import { encodePath } from '../http/path.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import type { Exchange } from './exchange.ts'
import type { Outcome } from './recording.ts'

interface Texts {
  readonly rawRequest: string
  readonly rawResponse: string
}

/** Records one exchange word for word: what passes is looked at, and nothing waits for it. */
export class Detail {
  readonly #limitBytes: number
  readonly request: BodyCapture
  readonly #response: BodyCapture

  private constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
    this.request = new BodyCapture(limitBytes)
    this.#response = new BodyCapture(limitBytes)
  }

  /** Begins with the body as it comes in, also where plugins have read it already. Never for upgrades. */
  static of(request: GatewayRequest, limitBytes: number): Detail | undefined {
    if (GatewayRequest.tunnel(request) !== undefined) return undefined
    const detail = new Detail(limitBytes)
    GatewayRequest.body(request).tap(detail.request.take)
    return detail
  }

  /** The answer is about to leave. */
  answer(response: GatewayResponse): void {
    const content = GatewayResponse.body(response).content()
    if (content instanceof ByteStream) content.tap(this.#response.take)
  }

  /** Once the answer is out. */
  texts(exchange: Exchange, outcome: Outcome): Maybe<Texts> {
    const { masks } = exchange.api
    const request = this.#requestOf(exchange)
    const response = this.#responseOf(exchange, outcome)
    const values = new SecretValues()
    // Those of the answer first: a client with a thousand cookies must not keep them out.
    if (response !== undefined) values.addFields(response.lines, masks)
    values.addQuery(exchange.request.originalUrl, masks)
    values.addFields(request.lines, masks)
    const rawRequest = rawText(request, masks, values, this.#limitBytes)
    const rawResponse = response === undefined ? '' : rawText(response, masks, values, this.#limitBytes)
    if (typeof rawRequest === 'string' && typeof rawResponse === 'string') return { rawRequest, rawResponse }
    return Promise.all([rawRequest, rawResponse]).then(([first, second]) => ({
      rawRequest: first,
      rawResponse: second,
    }))
  }

  #requestOf({ request, api, method, httpVersion }: Exchange): RawMessage {
    const lines = GatewayHeaders.received(request.headers)
    const declared = declaredLength(request)
    const { total } = this.request
    return {
      startLine: `${method} ${encodePath(api.masks.url(request.originalUrl))} HTTP/${httpVersion}`,
      lines,
      body:
        isChunked(request) || total > 0 || (declared ?? 0) > 0
          ? { bytes: this.request.bytes(), total: Math.max(declared ?? total, total) }
          : undefined,
      isBodySecret: api.masks.wholeBody,
    }
  }

  /** Undefined where the client got another one, or none. */
  #responseOf({ response, method, httpVersion }: Exchange, { status, cut }: Outcome): RawMessage | undefined {
    if (response === undefined || (response.status !== status && status !== 499)) return undefined
    const content = GatewayResponse.body(response).content()
    if (content instanceof Buffer && this.#response.total === 0) this.#response.take(content)
    const bodyless = isBodyless(method, response.status)
    const touched = GatewayHeaders.touched(response.headers)
    const lines = GatewayHeaders.lines(response.headers)
    return {
      startLine: `HTTP/${httpVersion} ${response.status} ${STATUS_CODES[response.status] ?? 'Unknown'}`,
      lines: linesOf(
        lines,
        (name) => isFramingField(name) && (touched?.has(name) === true || name === 'transfer-encoding'),
        false,
      ),
      body: bodyless ? undefined : { bytes: this.#response.bytes(), total: cut ? undefined : this.#response.total },
      isBodySecret: false,
    }
  }
}
