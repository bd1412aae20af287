import { Readable } from 'node:stream'
import { describe, GatewayError } from '../errors.ts'
import { suggest } from '../nearest.ts'
import { asBuffer } from './as-buffer.ts'
import { ByteStream } from './byte-stream.ts'
import { errorEnvelope } from './envelope.ts'
import { GatewayHeaders, type HeaderFields, headerFields, headersFrom, type HeadersInput } from './headers.ts'
import { endToEnd } from './hop-by-hop.ts'
import { jsonText } from './json-text.ts'
import { isBodyless } from './framing.ts'
import { GatewayResponse, isFinalStatus } from './response.ts'
import { brokenStream } from './transforming.ts'

/**
 * An answer that ends the request, written as data. `respond()` and `deny()` make one; a literal does as well.
 *
 * `responseError` beats `responseBody`. From 400 on the client gets the error envelope and the event `authFailure` is
 * raised, unless `overrideError` asks for the body as it is.
 */
export interface ReturnOverrides {
  /** An integer from 200 to 599. */
  readonly responseCode: number
  /** Text, bytes, or an object sent as JSON. */
  readonly responseBody?: string | Uint8Array | object | null | undefined
  /** The message of the error envelope; below 400 the body. */
  readonly responseError?: string | undefined
  /** A list makes one field line per value. */
  readonly responseHeaders?: HeaderFields | undefined
  /** True: from 400 on the body is sent as it is, without envelope and event. */
  readonly overrideError?: boolean | undefined
}

/** What a plugin returns to end the request. */
export type Decision = ReturnOverrides | Response

const KEYS = new Set(['responseCode', 'responseBody', 'responseError', 'responseHeaders', 'overrideError'])

/**
 * Ends the request with this answer, whatever the status: no envelope, no event.
 *
 * @param status an integer from 200 to 599; anything else throws `PSTN_VALUE_INVALID`
 * @param body text, bytes, or an object sent as JSON
 * @example
 * export const stock: EndpointPlugin = (request, { params }) => respond(200, { sku: params.sku, left: 3 })
 */
export function respond(
  status: number,
  body?: string | Uint8Array | object | null,
  headers?: HeadersInput,
): ReturnOverrides {
  if (!isFinalStatus(status)) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `respond() takes a status first, an integer from 200 to 599, not ${describe(status)}.`,
    )
  }
  return {
    responseCode: status,
    responseBody: body,
    responseHeaders: headerFields(headers),
    overrideError: true,
  }
}

/**
 * Refuses the request with the error envelope, `{"error": message}`, and raises `authFailure`.
 *
 * @param status an integer from 400 to 599
 * @param message what the client reads; `Key not authorised` when left out
 * @example
 * if (user === undefined) return deny(401, 'Unknown key')
 */
export function deny(status: number, message?: string, headers?: HeadersInput): ReturnOverrides {
  if (!isFinalStatus(status) || status < 400) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `deny() takes an integer from 400 to 599, not ${describe(status)}; respond() answers with any other status.`,
    )
  }
  return { responseCode: status, responseError: message, responseHeaders: headerFields(headers) }
}

/** What a decision becomes: the answer, and whether it is a refusal (the envelope, the event). */
export interface Answer {
  readonly response: GatewayResponse
  /** The message of the envelope; undefined when the body went out as its author wrote it. */
  readonly refusal: string | undefined
}

/**
 * Turns a plugin's return value into an answer; undefined when it is no decision at all. A decision with an invalid
 * part (a status nobody can send, a header with a line break, an unknown key) throws and names that part.
 */
export function toAnswer(
  value: unknown,
  requestContentType: () => string | null,
  maxBufferedBytes: number,
): Answer | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (isResponse(value)) return { response: fromWhatwg(value, maxBufferedBytes), refusal: undefined }
  if (!('responseCode' in value)) return undefined
  const overrides = value as ReturnOverrides
  const unknown = Object.keys(overrides).find((key) => !KEYS.has(key))
  if (unknown !== undefined) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `ReturnOverrides has no "${unknown}"; ${suggest(unknown, [...KEYS])}.`,
    )
  }
  checkFields(overrides)
  const status = overrides.responseCode
  if (!isFinalStatus(status)) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `responseCode is ${describe(status)}; expected an integer from 200 to 599.`,
    )
  }
  if (status >= 400 && overrides.overrideError !== true) {
    const refusal = messageOf(overrides)
    return {
      response: refuse(status, refusal, requestContentType(), maxBufferedBytes, overrides.responseHeaders),
      refusal,
    }
  }
  return { response: asWritten(overrides, maxBufferedBytes), refusal: undefined }
}

/** The error envelope as an answer. */
export function refuse(
  status: number,
  message: string,
  requestContentType: string | null,
  maxBufferedBytes: number,
  extra?: ReturnOverrides['responseHeaders'],
): GatewayResponse {
  const { contentType, body } = errorEnvelope(message, requestContentType)
  const headers = headersFrom(extra)
  headers.set('content-type', contentType)
  // The message may repeat what the client sent: no browser may guess it to be a page.
  headers.set('x-content-type-options', 'nosniff')
  headers.set('content-length', String(body.length))
  return new GatewayResponse(status, headers, body, maxBufferedBytes)
}

/** What a compiler would have refused. */
function checkFields({ responseBody, responseError, responseHeaders, overrideError }: ReturnOverrides): void {
  const isText = (value: unknown): boolean => typeof value === 'string'
  const isHeaders = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && (!Array.isArray(value) || value.every(Array.isArray))
  check('responseError', responseError, isText, 'text')
  check('overrideError', overrideError, (value) => typeof value === 'boolean', 'true or false')
  check('responseHeaders', responseHeaders, isHeaders, 'header values by name, or pairs of name and value')
  check(
    'responseBody',
    responseBody ?? undefined,
    (value) => isText(value) || typeof value === 'object',
    'text, bytes or an object',
  )
}

function check(field: string, value: unknown, valid: (value: unknown) => boolean, expected: string): void {
  if (value === undefined || valid(value)) return
  throw new GatewayError('PSTN_PLUGIN_BAD_RETURN', `${field} is ${describe(value)}; expected ${expected}.`)
}

function messageOf({ responseError, responseBody }: ReturnOverrides): string {
  if (responseError !== undefined && responseError !== '') return responseError
  if (responseBody === undefined || responseBody === null || responseBody === '') return 'Key not authorised'
  if (typeof responseBody === 'string') return responseBody
  return responseBody instanceof Uint8Array ? Buffer.from(responseBody).toString() : jsonText(responseBody)
}

function asWritten(overrides: ReturnOverrides, maxBufferedBytes: number): GatewayResponse {
  const headers = headersFrom(overrides.responseHeaders)
  const status = overrides.responseCode
  const { content, type } = bodyOf(overrides)
  if (isBodyless('GET', status)) return new GatewayResponse(status, headers, undefined, maxBufferedBytes)
  if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type)
  headers.set('content-length', String(content.length))
  return new GatewayResponse(status, headers, content, maxBufferedBytes)
}

function bodyOf({ responseError, responseBody }: ReturnOverrides): { content: Buffer; type: string | undefined } {
  const value = responseError !== undefined && responseError !== '' ? responseError : responseBody
  if (value === undefined || value === null) return { content: Buffer.alloc(0), type: undefined }
  if (typeof value === 'string') return { content: Buffer.from(value), type: 'text/plain; charset=utf-8' }
  if (value instanceof Uint8Array) {
    return { content: asBuffer(value), type: 'application/octet-stream' }
  }
  return { content: Buffer.from(jsonText(value)), type: 'application/json' }
}

/** By shape, so that a `Response` of another realm or of the `undici` package counts too. */
function isResponse(value: object): value is Response {
  return (
    value instanceof Response ||
    (Object.prototype.toString.call(value) === '[object Response]' && 'arrayBuffer' in value)
  )
}

function fromWhatwg(response: Response, maxBufferedBytes: number): GatewayResponse {
  if (!isFinalStatus(response.status)) {
    throw new GatewayError('PSTN_PLUGIN_BAD_RETURN', `The Response has status ${response.status}; expected 200 to 599.`)
  }
  if (response.bodyUsed) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      'The body of the Response has already been read; return response.clone() or a new one.',
    )
  }
  const headers = new GatewayHeaders()
  for (const [name, value] of response.headers) {
    // What it says of its length is not bound to its body; and fetch() has decoded that already.
    const stale = name === 'content-length' || (response.url !== '' && name === 'content-encoding')
    if (!stale) headers.append(name, value)
  }
  const broken = brokenStream('a Response', undefined)
  const body = response.body === null ? undefined : ByteStream.from(Readable.fromWeb(response.body), { broken })
  const lines = endToEnd(GatewayHeaders.lines(headers))
  return new GatewayResponse(response.status, new GatewayHeaders(lines), body, maxBufferedBytes)
}
