import { describe, GatewayError } from '../errors.ts'
import { isFields } from '../fields.ts'
import { type BodyInput, encodeBody } from './body.ts'
import { Cancellation } from './cancellation.ts'
import { Client, compileTrust } from './client.ts'
import { GatewayHeaders, headersFrom, type HeadersInput } from './headers.ts'
import { describePath, encodePath, parseTarget } from './path.ts'
import { checkedMethod, GatewayRequest, type GatewayRequestInit } from './request.ts'
import { GatewayResponse } from './response.ts'

/** What a request is made of; method GET and no body when left out, POST when there is a body. */
export interface RequestInput {
  readonly method?: string | undefined
  readonly headers?: HeadersInput | undefined
  /** An object is sent as JSON. */
  readonly body?: BodyInput | undefined
}

const LOCALHOST = ['host', 'localhost']
const MAX_BUFFERED_BYTES = 10 * 1024 * 1024

/** @internal The parts of a request that come from where it is made. */
export type Origin = Pick<GatewayRequestInit, 'client' | 'upstream' | 'cancellation' | 'maxBufferedBytes'>

/**
 * A request out of thin air, to call a plugin with in a test.
 *
 * @param path path and query, below the listen path
 * @example
 * const request = createRequest('/stock/7?full=1', { headers: { authorization: 'key' } })
 * stampRequest(request, context)
 * expect(request.headers.has('x-request-id')).toBe(true)
 */
export function createRequest(path: string, input: RequestInput = {}): GatewayRequest {
  const client = new Client({ address: '127.0.0.1', encrypted: false }, LOCALHOST, compileTrust([]))
  const cancellation = new Cancellation()
  return buildRequest(path, input, LOCALHOST, {
    client,
    upstream: undefined,
    cancellation,
    maxBufferedBytes: MAX_BUFFERED_BYTES,
  })
}

/** A response out of thin air: for a plugin in a test, or a forwarder that answers by itself. */
export function createResponse(status: number, body?: BodyInput, headers?: HeadersInput): GatewayResponse {
  const response = new GatewayResponse(200, headersFrom(headers), undefined, MAX_BUFFERED_BYTES)
  response.status = status
  if (body !== undefined) response.setBody(body)
  return response
}

/** @internal */
export function buildRequest(
  path: string,
  input: RequestInput,
  lines: readonly string[],
  origin: Origin,
): GatewayRequest {
  const target = typeof path === 'string' && path.startsWith('/') ? parseTarget(encodePath(path)) : undefined
  if (target === undefined) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `${describePath(path)} is no path; expected one such as "/stock/7?full=1".`,
    )
  }
  const given: unknown = input
  if (!isFields(given)) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `A request cannot be made of ${describe(given)}; expected { method, headers, body }.`,
    )
  }
  const { method, headers: fields, body: value } = input
  const headers = headersFrom(fields, lines)
  const body = value === undefined ? undefined : encodeBody(value)
  if (body !== undefined && !headers.has('content-type')) headers.set('content-type', body.type)
  if (body?.content instanceof Buffer) headers.set('content-length', String(body.content.length))
  return new GatewayRequest({
    method: checkedMethod(method ?? (body === undefined ? 'GET' : 'POST')),
    path: target.path,
    search: target.search,
    originalUrl: path,
    headers: new GatewayHeaders(GatewayHeaders.lines(headers)),
    body: body?.content,
    ...origin,
  })
}
