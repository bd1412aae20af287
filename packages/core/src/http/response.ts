import { Duplex, pipeline, Readable, type Transform } from 'node:stream'
import type { TransformStream } from 'node:stream/web'
import { describe, GatewayError, jsonProblem } from '../errors.ts'
import { Body, type BodyInput, encodeBody, heard } from './body.ts'
import { ByteStream } from './byte-stream.ts'
import { contentDecoder, decodeContent } from './encoding.ts'
import { describeReplacedBody, forgetBody } from './framing.ts'
import { GatewayHeaders, wholeHeaders } from './headers.ts'
import { refuseUnknownWrites } from './unknown-writes.ts'
import type { LateWitness } from './late.ts'

/**
 * The upstream's answer as a response plugin meets it. A plugin that looks only at status and headers never delays a
 * byte; one that reads the body buffers just that response, up to `maxBufferedBytes`.
 *
 * @example
 * export const stampTotal: ResponsePlugin = async (response) => {
 *   const order = await response.json<{ lines: number[] }>()
 *   response.setBody({ ...order, total: order.lines.length })
 * }
 */
export class GatewayResponse {
  readonly #headers: GatewayHeaders
  readonly #body: Body
  readonly #maxBufferedBytes: number
  #status: number
  #tunnel: ByteStream | undefined
  #witness: LateWitness | undefined

  /** @internal */
  constructor(
    status: number,
    headers: GatewayHeaders,
    body: Buffer | ByteStream | undefined,
    maxBufferedBytes: number,
  ) {
    this.#headers = headers
    this.#status = status
    this.#maxBufferedBytes = maxBufferedBytes
    this.#body = new Body(body, maxBufferedBytes, tooLarge)
  }

  get headers(): GatewayHeaders {
    return this.#headers
  }

  /** @internal Refused: `PSTN_VALUE_INVALID`. */
  set headers(_: never) {
    throw wholeHeaders('response')
  }

  get status(): number {
    return this.#status
  }

  /** An integer from 200 to 599; anything else throws `PSTN_VALUE_INVALID`. */
  set status(value: number) {
    if (this.#refused()) return
    if (!isFinalStatus(value)) {
      throw new GatewayError(
        'PSTN_VALUE_INVALID',
        `${describe(value)} is no status of a final answer; expected an integer from 200 to 599.`,
      )
    }
    this.#status = value
  }

  /** The body as UTF-8 text, decoded when compressed. Buffers it, up to `maxBufferedBytes`. */
  text(): Promise<string> {
    return heard(this.bytes().then(String))
  }

  /** The body parsed as JSON, decoded when compressed. */
  json<T = unknown>(): Promise<T> {
    return heard(this.text().then((text) => parseJson(text) as T))
  }

  /** The body, decoded when compressed. What is sent stays as the upstream sent it until `setBody` is called. */
  bytes(): Promise<Buffer> {
    return heard(this.#bytes())
  }

  async #bytes(): Promise<Buffer> {
    const encoding = this.headers.get('content-encoding')
    return decodeContent(await this.#body.bytes(), encoding, this.#maxBufferedBytes)
  }

  /** Replaces the body and repairs the headers that describe it. An object is sent as JSON. */
  setBody(body: BodyInput): void {
    if (this.#refused()) return
    const { content, type } = encodeBody(body)
    this.#body.replace(content)
    describeReplacedBody(this.headers, content, type)
    this.#weakenValidators()
  }

  /**
   * Edits the body as it flows, decoded when compressed: chunk by chunk, with backpressure, without buffering.
   * Takes a Node `Transform` or a WHATWG `TransformStream`; it must be a new one for every response.
   */
  transform(edit: Transform | TransformStream<Uint8Array, Uint8Array>): void {
    if (this.#refused()) return
    const through = edit instanceof Duplex ? edit : Duplex.fromWeb(edit)
    const decoder = contentDecoder(this.headers.get('content-encoding'))
    this.#body.derive((content) => pipeThrough(content, decoder === undefined ? [through] : [decoder, through]))
    forgetBody(this.headers)
    this.headers.delete('content-length')
    this.#weakenValidators()
  }

  /** A strong validator promises the very bytes of the upstream, and ranges of them (RFC 9110 8.8.1). */
  #weakenValidators(): void {
    this.headers.delete('accept-ranges')
    const etag = this.headers.get('etag')
    if (etag !== null && !etag.startsWith('W/')) this.headers.set('etag', `W/${etag}`)
  }

  #refused(): boolean {
    this.#witness?.lateChange()
    return this.#witness !== undefined
  }

  /** @internal A 101: it has no body, and behind it the bytes of whoever has switched protocols. */
  static switching(headers: GatewayHeaders, tunnel: ByteStream, maxBufferedBytes: number): GatewayResponse {
    const response = new GatewayResponse(101, headers, undefined, maxBufferedBytes)
    response.#tunnel = tunnel
    return response
  }

  /** @internal What comes behind a 101; a plugin may have given it another status, and then nothing does. */
  static tunnel(response: GatewayResponse): ByteStream | undefined {
    return response.#tunnel
  }

  /** @internal */
  static body(response: GatewayResponse): Body {
    return response.#body
  }

  /** @internal */
  static isSealed(response: GatewayResponse): boolean {
    return response.#witness !== undefined
  }

  /** @internal From now on a change has no effect and is reported: the answer has left. */
  static seal(response: GatewayResponse, witness: LateWitness): void {
    response.#witness = witness
    GatewayHeaders.seal(response.headers, witness)
  }

  /** @internal Gives up on the body: the upstream need not send the rest. */
  static discard(response: GatewayResponse): void {
    response.#body.abandon()
    response.#tunnel?.cancel()
  }
}

refuseUnknownWrites(
  GatewayResponse.prototype,
  'A response',
  { statusCode: 'response.status', body: 'response.setBody(body)' },
  'context.state for data of your own',
)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Of the same kind, without a piece of the body in it.
    throw new SyntaxError(`The response body is not JSON: ${jsonProblem(error)}.`)
  }
}

function pipeThrough(
  content: Buffer | ByteStream | undefined | Promise<Buffer>,
  stages: readonly Duplex[],
): ByteStream {
  const source = content instanceof ByteStream ? content.toReadable() : Readable.from(chunksOf(content))
  // A stage that fails destroys the last one, and that is where the error is read.
  const last = pipeline([source, ...stages], () => undefined)
  return ByteStream.from(last as Duplex)
}

async function* chunksOf(content: Buffer | undefined | Promise<Buffer>): AsyncGenerator<Buffer> {
  const bytes = await content
  if (bytes !== undefined && bytes.length > 0) yield bytes
}

export function isFinalStatus(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError(
    'PSTN_RESPONSE_TOO_LARGE',
    `A plugin reads the response body, and it is larger than ${limitBytes} bytes; raise maxBufferedBytes or use transform().`,
  )
}
