import type { Transform } from 'node:stream'
import { TextDecoder } from 'node:util'
import { describe, GatewayError, jsonProblem } from '../errors.ts'
import { Body, type BodyInput, encodeBody, heard } from './body.ts'
import type { ByteStream } from './byte-stream.ts'
import { contentDecoder, decodeContent } from './encoding.ts'
import { charsetOf, describeReplacedBody, forgetBody, isBodyless } from './framing.ts'
import { GatewayHeaders, wholeHeaders } from './headers.ts'
import type { LateWitness } from './late.ts'
import { asStage, pipeThrough, type TransformPair } from './transforming.ts'
import { refuseUnknownWrites } from './unknown-writes.ts'

/**
 * The upstream's answer as a response plugin meets it. A plugin that looks only at status and headers never delays a
 * byte; one that reads the body buffers just that response, up to `maxBufferedBytes`.
 *
 * @example
 * export const stampTotal: ResponsePlugin = async (response) => {
 *   const order = response.hasBody ? await response.json<{ lines: number[] }>() : undefined
 *   response.setBody({ ...order, total: order?.lines.length })
 * }
 */
export class GatewayResponse {
  readonly #headers: GatewayHeaders
  readonly #body: Body
  readonly #maxBufferedBytes: number
  #status: number
  /** It answers a HEAD: there is a head only. */
  #headOnly = false
  /** The plugin that is looking at it. */
  #reader: unknown
  #decoded: Decoded | undefined
  #madeUpType: string | undefined
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

  /**
   * False: there is nothing to read, as in every answer to HEAD, and in a 204, 205 or 304. What `setBody` and `transform`
   * do there is put the headers right, so that they agree with those of the answer that has a body.
   */
  get hasBody(): boolean {
    return !this.#headOnly && !isBodyless('GET', this.#status)
  }

  /** The body as text, decoded when compressed, in the charset its type names or else UTF-8. Buffers it, up to `maxBufferedBytes`. */
  text(): Promise<string> {
    return heard(this.#text())
  }

  /** The body parsed as JSON, decoded when compressed. What is not JSON throws `PSTN_RESPONSE_INVALID`. */
  json<T = unknown>(): Promise<T> {
    return heard(this.#text().then((text) => this.#parse(text) as T))
  }

  /** The body, decoded when compressed. What is sent stays as the upstream sent it until `setBody` is called. */
  bytes(): Promise<Buffer> {
    return heard(this.#bytes())
  }

  async #bytes(): Promise<Buffer> {
    const encoding = this.headers.get('content-encoding')
    const raw = await this.#body.bytes()
    // A promise, so that two plugins of which one does not wait decode it once.
    if (this.#decoded?.raw !== raw || this.#decoded.encoding !== encoding)
      this.#decoded = { raw, encoding, bytes: heard(decodeContent(raw, encoding, this.#maxBufferedBytes)) }
    return this.#decoded.bytes
  }

  async #text(): Promise<string> {
    const bytes = await this.#bytes()
    const charset = charsetOf(this.headers.get('content-type'))
    return charset === undefined || charset === 'utf-8' || charset === 'utf8'
      ? bytes.toString()
      : (decoderFor(charset)?.decode(bytes) ?? bytes.toString())
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text)
    } catch (cause) {
      // Without a piece of the body in it.
      const why = this.hasBody ? `${jsonProblem(cause)}.` : 'it has no body; ask response.hasBody first.'
      throw new GatewayError('PSTN_RESPONSE_INVALID', `The response is not JSON: ${why}`)
    }
  }

  /** Replaces the body and repairs the headers that describe it. An object is sent as JSON. */
  setBody(body: BodyInput): void {
    if (this.#refused()) return
    const { content, type } = encodeBody(body, this.#reader)
    if (this.#status === 206) this.#becomeWhole()
    this.#body.replace(content)
    this.#madeUpType = describeReplacedBody(this.headers, content, type) ?? this.#madeUpType
    this.#weakenValidators()
  }

  /**
   * Edits the body as it flows, decoded when compressed: chunk by chunk, with backpressure, without buffering.
   * Takes a Node `Transform` or a WHATWG `TransformStream`; it must be a new one for every response.
   */
  transform(edit: Transform | TransformPair): void {
    if (this.#refused()) return
    if (this.#status === 206) throw ofAPart()
    const decoder = contentDecoder(this.headers.get('content-encoding'))
    const stage = asStage(edit)
    const plugin = this.#reader
    this.#body.derive((content) => pipeThrough(content, decoder, stage, plugin))
    forgetBody(this.headers)
    this.headers.delete('content-length')
    this.#weakenValidators()
  }

  /** A new body is all there is; one that was made from a part would be part of nothing. */
  #becomeWhole(): void {
    if (this.#body.wasRead) throw ofAPart()
    this.#status = 200
    this.headers.delete('content-range')
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

  /** @internal What comes of asking with that method. */
  static answers(response: GatewayResponse, method: string): void {
    response.#headOnly = method === 'HEAD'
  }

  /** @internal Whether it came without the body its headers speak of. */
  static isHeadOnly(response: GatewayResponse): boolean {
    return response.#headOnly
  }

  /** @internal From now on a `transform` that breaks is that plugin's. */
  static show(response: GatewayResponse, plugin: unknown): void {
    response.#reader = plugin
  }

  /** @internal The content type nobody has named: `setBody` found none. */
  static madeUpType(response: GatewayResponse): string | undefined {
    return response.#madeUpType
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

interface Decoded {
  readonly raw: Buffer
  readonly encoding: string | null
  readonly bytes: Promise<Buffer>
}

/** Undefined for a charset nobody knows. */
function decoderFor(charset: string): TextDecoder | undefined {
  try {
    return new TextDecoder(charset)
  } catch {
    return undefined
  }
}

function ofAPart(): GatewayError {
  return new GatewayError(
    'PSTN_RESPONSE_PARTIAL',
    "A plugin edits a 206, and what comes of a part is part of nothing; take the range off in a pre plugin: request.headers.delete('range').",
  )
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
