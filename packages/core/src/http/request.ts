import { METHODS } from 'node:http'
import { describe, GatewayError, jsonProblem } from '../errors.ts'
import { Body, type BodyInput, type BodySource, encodeBody, heard } from './body.ts'
import type { ByteStream } from './byte-stream.ts'
import type { Cancellation } from './cancellation.ts'
import type { Client } from './client.ts'
import { describeReplacedBody } from './framing.ts'
import { GatewayHeaders, type ReadonlyHeaders, TOKEN, wholeHeaders } from './headers.ts'
import type { LateWitness } from './late.ts'
import { canonicalPath, describePath, encodePath } from './path.ts'
import { GatewayQuery } from './query.ts'
import { refuseUnknownWrites } from './unknown-writes.ts'
import { parseUpstreamUrl, type UpstreamUrl } from './upstream-url.ts'

/** @internal What a request is made from; nothing in it has been parsed or copied yet. */
export interface GatewayRequestInit {
  readonly method: string
  /** Canonical, with the listen path removed. */
  readonly path: string
  /** The listen path itself was asked for, without a slash behind it. */
  readonly bare?: boolean | undefined
  readonly search: string
  readonly originalUrl: string
  readonly headers: GatewayHeaders
  readonly body: BodySource
  readonly client: Client
  readonly upstream: UpstreamUrl | undefined
  readonly cancellation: Cancellation
  readonly maxBufferedBytes: number
  /** What the client sends once the connection is upgraded; undefined for a request that asks for no upgrade. */
  readonly tunnel?: ByteStream | undefined
}

/**
 * The request as a plugin meets it: what it changes here is what the next plugin, the endpoint matching and the upstream
 * see. Nothing is parsed, copied or buffered until it is touched.
 *
 * @example
 * export const tenant: PrePlugin = (request) => {
 *   request.headers.set('x-tenant', 'acme')
 *   request.query.delete('debug')
 *   request.path = `/v2${request.path}`
 * }
 */
export class GatewayRequest {
  // Each on its own: kept in one literal, V8 may keep that, and through it the request, beyond its time (bench/NOTES.md).
  readonly #headers: GatewayHeaders
  readonly #originalUrl: string
  readonly #matchedPath: string
  readonly #search: string
  readonly #client: Client
  readonly #cancellation: Cancellation
  readonly #tunnel: ByteStream | undefined
  readonly #body: Body
  #method: string
  #path: string
  #bare: boolean
  #query: GatewayQuery | undefined
  #upstream: UpstreamUrl | undefined
  #bodyValue: BodyInput | undefined
  #witness: LateWitness | undefined

  /** @internal */
  constructor(init: GatewayRequestInit) {
    this.#headers = init.headers
    this.#originalUrl = init.originalUrl
    this.#matchedPath = init.path
    this.#search = init.search
    this.#client = init.client
    this.#cancellation = init.cancellation
    this.#tunnel = init.tunnel
    this.#method = init.method
    this.#path = init.path
    this.#bare = init.bare === true
    this.#upstream = init.upstream
    this.#body = new Body(init.body, init.maxBufferedBytes, tooLarge)
  }

  get headers(): GatewayHeaders {
    return this.#headers
  }

  /** @internal Refused: `PSTN_VALUE_INVALID`. */
  set headers(_: never) {
    throw wholeHeaders('request')
  }

  /** The request target as the client sent it, before anything was changed. */
  get originalUrl(): string {
    return this.#originalUrl
  }

  get method(): string {
    return this.#method
  }

  /** Any HTTP method but CONNECT and TRACE, the standard ones in any case; anything else throws `PSTN_VALUE_INVALID`. */
  set method(value: string) {
    if (this.#refused()) return
    this.#method = checkedMethod(value)
  }

  /** The canonical path with the API's listen path removed, always starting with a slash. */
  get path(): string {
    return this.#path
  }

  /** Made canonical when set; a path with no canonical spelling or with a query throws `PSTN_VALUE_INVALID`. */
  set path(value: string) {
    if (this.#refused()) return
    const canonical = typeof value === 'string' && !value.includes('?') ? canonicalPath(encodePath(value)) : undefined
    if (canonical === undefined) {
      throw new GatewayError(
        'PSTN_VALUE_INVALID',
        `${describePath(value)} is no path; expected one starting with "/" and without a query (set that on request.query).`,
      )
    }
    this.#path = canonical
    this.#bare = false
  }

  /** The query, with the interface of `URLSearchParams`; parameters nobody touches keep their bytes. */
  get query(): GatewayQuery {
    if (this.#query === undefined) {
      this.#query = new GatewayQuery(this.#search)
      if (this.#witness !== undefined) GatewayQuery.seal(this.#query, this.#witness)
    }
    return this.#query
  }

  /** Replaces the whole query; a leading question mark is dropped. */
  set query(value: string | URLSearchParams | GatewayQuery) {
    if (this.#refused()) return
    if (typeof value !== 'string' && !(value instanceof URLSearchParams) && !(value instanceof GatewayQuery)) {
      throw new GatewayError('PSTN_VALUE_INVALID', `${describe(value)} is no query; expected text or URLSearchParams.`)
    }
    GatewayQuery.replace(this.query, String(value).replace(/^\?/, ''))
  }

  /** `http` or `https`, as the client spoke to the host (or to a proxy in `trustedProxies`). */
  get scheme(): 'http' | 'https' {
    return this.#client.scheme
  }

  /** The host the client asked for, with its port where it sent one. */
  get host(): string {
    return this.#client.host
  }

  /** The IP address of the client; forwarded headers count only behind `trustedProxies`. */
  get clientAddress(): string {
    return this.#client.address
  }

  /** Where the request will be sent; undefined when the host application answers. */
  get upstream(): string | undefined {
    return this.#upstream?.href
  }

  /** Routes this request elsewhere. Takes an `http:` or `https:` base URL; anything else throws `PSTN_VALUE_INVALID`. */
  set upstream(value: string | URL) {
    if (this.#refused()) return
    this.#upstream = parseUpstreamUrl(value)
  }

  /** Aborted when the client hangs up or the gateway closes. */
  get signal(): AbortSignal {
    return this.#cancellation.signal
  }

  /** The body as UTF-8 text. Buffers it, up to `maxBufferedBytes` (413 above). */
  text(): Promise<string> {
    return heard(this.#text())
  }

  /** The body parsed as JSON. What is not JSON answers 400 unless the plugin catches the error. */
  json<T = unknown>(): Promise<T> {
    return heard(this.text().then((text) => parseJson(text) as T))
  }

  /** The body as it came. Buffers it, up to `maxBufferedBytes` (413 above). */
  bytes(): Promise<Buffer> {
    return this.#body.bytes()
  }

  async #text(): Promise<string> {
    return (await this.#body.bytes()).toString()
  }

  /** Replaces the body and repairs the headers that describe it. An object is sent as JSON. */
  setBody(body: BodyInput): void {
    if (this.#refused()) return
    const { content, type } = encodeBody(body)
    this.#body.replace(content)
    this.#bodyValue = body
    describeReplacedBody(this.headers, content, type)
  }

  #refused(): boolean {
    this.#witness?.lateChange()
    return this.#witness !== undefined
  }

  /** @internal */
  static body(request: GatewayRequest): Body {
    return request.#body
  }

  /** @internal The value given to `setBody`, for a host whose own parser has already run. */
  static bodyValue(request: GatewayRequest): BodyInput | undefined {
    return request.#bodyValue
  }

  /** @internal */
  static cancelReason(request: GatewayRequest): Error | undefined {
    return request.#cancellation.reason
  }

  /** @internal */
  static onCancel(request: GatewayRequest, listener: () => void): void {
    request.#cancellation.onCancel(listener)
  }

  /** @internal The path behind a prefix: nothing where the client asked for that alone, and no plugin for another. */
  static behind(prefix: string, request: GatewayRequest): string {
    return request.#bare ? prefix : prefix + request.#path
  }

  /** @internal The path as it was matched, whatever plugins have made of it. */
  static matchedPath(request: GatewayRequest): string {
    return request.#matchedPath
  }

  /** @internal */
  static client(request: GatewayRequest): Client {
    return request.#client
  }

  /** @internal What the client sends after an upgrade; undefined where it asked for none. */
  static tunnel(request: GatewayRequest): ByteStream | undefined {
    return request.#tunnel
  }

  /** @internal */
  static upstreamUrl(request: GatewayRequest): UpstreamUrl | undefined {
    return request.#upstream
  }

  /** @internal The query as it will be sent, without the question mark. */
  static search(request: GatewayRequest): string {
    return request.#query === undefined ? request.#search : request.#query.toString()
  }

  /** @internal */
  static targetTouched(request: GatewayRequest): boolean {
    return (
      request.#path !== request.#matchedPath || (request.#query !== undefined && GatewayQuery.touched(request.#query))
    )
  }

  /** @internal From now on a change has no effect and is reported: the request has left. */
  static seal(request: GatewayRequest, witness: LateWitness): void {
    request.#witness = witness
    GatewayHeaders.seal(request.headers, witness)
    if (request.#query !== undefined) GatewayQuery.seal(request.#query, witness)
  }
}

/** @internal A method a request can be given; the standard ones in any case. */
export function checkedMethod(value: unknown): string {
  const method = typeof value === 'string' && METHODS.includes(value.toUpperCase()) ? value.toUpperCase() : value
  if (typeof method !== 'string' || !TOKEN.test(method) || method === 'CONNECT' || method === 'TRACE') {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `${describe(value)} is no method a request can be given, such as "GET".`,
    )
  }
  return method
}

refuseUnknownWrites(
  GatewayRequest.prototype,
  'A request',
  {
    url: 'request.path and request.query',
    body: 'request.setBody(body)',
    params: 'context.params, which the path decides',
    session: 'the session an auth plugin returns',
  },
  'context.state for data of your own',
)

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError(
    'PSTN_BODY_TOO_LARGE',
    `A plugin reads the request body, and it is larger than ${limitBytes} bytes; raise maxBufferedBytes or do not read it.`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('PSTN_BODY_INVALID', `The request body is not JSON: ${jsonProblem(cause)}.`)
  }
}

/** The query without the ways to change it. */
export interface ReadonlyQuery extends Iterable<[name: string, value: string]> {
  readonly size: number
  get(name: string): string | null
  getAll(name: string): string[]
  has(name: string, value?: string): boolean
  toString(): string
}

/** The request as a response plugin sees it: to look at only. */
export interface ReadonlyGatewayRequest {
  readonly method: string
  readonly path: string
  readonly query: ReadonlyQuery
  readonly originalUrl: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly clientAddress: string
  readonly headers: ReadonlyHeaders
  readonly upstream: string | undefined
  readonly signal: AbortSignal
  text(): Promise<string>
  json<T = unknown>(): Promise<T>
  bytes(): Promise<Buffer>
}
