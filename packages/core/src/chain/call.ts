import { Readable } from 'node:stream'
import { describe, GatewayError } from '../errors.ts'
import type { CallInit } from '../hooks.ts'
import { encodeBody } from '../http/body.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { Cancellation } from '../http/cancellation.ts'
import { GatewayHeaders } from '../http/headers.ts'
import { encodePath, parseTarget } from '../http/path.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import { parseUpstreamUrl } from '../http/upstream-url.ts'
import { answer, HANDED_OVER } from './answer.ts'
import type { ApiIndex } from './api-index.ts'
import type { CompiledApi } from './compiled-api.ts'
import { Exchange } from './exchange.ts'
import { conclude } from './recording.ts'
import { errorAnswer } from './verdicts.ts'

const MAX_DEPTH = 5
const WITHOUT_BODY = new Set([204, 205, 304])

/** Another API of this gateway as an in-process upstream: its whole chain, no socket. */
export async function callApi(
  apis: ApiIndex,
  from: Exchange,
  ref: string,
  path: string,
  init: CallInit = {},
): Promise<Response> {
  const api = apis.get(ref)
  if (api === undefined) {
    const known = apis.all.map(({ info }) => info.name).join(', ')
    throw new GatewayError(
      'PSTN_CALL_INVALID',
      `No API of this gateway is called ${describe(ref)}; there are: ${known}.`,
    )
  }
  const exchange = createExchange(api, from, path, init)
  if (exchange.depth > MAX_DEPTH) return toWhatwg(errorAnswer('PSTN_CALL_DEPTH', 508, exchange))
  from.addCall(exchange.cancellation)
  const response = await answer(exchange)
  if (response === HANDED_OVER) {
    throw new GatewayError(
      'PSTN_CALL_INVALID',
      `API "${api.info.name}" has no upstream; a call cannot reach the host application behind it.`,
    )
  }
  conclude(exchange, { status: response.status })
  return toWhatwg(response)
}

function createExchange(api: CompiledApi, from: Exchange, path: string, init: CallInit): Exchange {
  const target = path.startsWith('/') ? parseTarget(encodePath(path)) : undefined
  if (target === undefined)
    throw new GatewayError('PSTN_CALL_INVALID', `${describe(path)} is no path; expected one such as "/stock/7?full=1".`)
  const headers = new GatewayHeaders(['host', from.request.host])
  for (const [name, value] of Object.entries(init.headers ?? {})) {
    for (const line of typeof value === 'object' ? value : [value]) headers.append(name, line)
  }
  const body = init.body === undefined ? undefined : encodeBody(init.body)
  if (body !== undefined && !headers.has('content-type')) headers.set('content-type', body.type)
  if (body?.content instanceof Buffer) headers.set('content-length', String(body.content.length))
  const cancellation = new Cancellation()
  from.cancellation.onCancel((reason) => cancellation.cancel(reason))
  const { upstream, maxBufferedBytes } = api.definition
  const request = new GatewayRequest({
    method: init.method ?? (body === undefined ? 'GET' : 'POST'),
    path: target.path,
    search: target.search,
    originalUrl: path,
    headers,
    body: body?.content,
    client: GatewayRequest.client(from.request),
    upstream: upstream === undefined ? undefined : parseUpstreamUrl(upstream.url),
    cancellation,
    maxBufferedBytes,
  })
  return new Exchange(api, request, cancellation, from.depth + 1)
}

async function toWhatwg(response: GatewayResponse): Promise<Response> {
  const content = await GatewayResponse.body(response).content()
  const headers = new Headers()
  for (const [name, value] of response.headers) headers.append(name, value)
  const body = content instanceof ByteStream ? Readable.toWeb(content.toReadable()) : content
  if (WITHOUT_BODY.has(response.status)) {
    GatewayResponse.discard(response)
    return new Response(null, { status: response.status, headers })
  }
  return new Response(body, { status: response.status, headers })
}
