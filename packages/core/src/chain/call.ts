import { Readable } from 'node:stream'
import { describe, GatewayError, isGatewayError } from '../errors.ts'
import type { CallInit } from '../hooks.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { Cancellation } from '../http/cancellation.ts'
import { buildRequest } from '../http/create.ts'
import { GatewayHeaders, linesOf } from '../http/headers.ts'
import { isBodyless } from '../http/framing.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import { answer, cutShort, HANDED_OVER } from './answer.ts'
import type { ApiIndex } from './api-index.ts'
import type { CompiledApi } from './compiled-api.ts'
import { Exchange } from './exchange.ts'
import { conclude } from './recording.ts'
import { endRequest, isAnybodyListening, traceRequest } from './tracing.ts'
import { errorAnswer } from './verdicts.ts'

const MAX_DEPTH = 5

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
  if (exchange.depth > MAX_DEPTH) return toWhatwg(errorAnswer('PSTN_CALL_DEPTH', exchange), () => undefined)
  from.addCall(exchange.cancellation)
  const { generation } = api.services
  generation.enter()
  let inside = true
  const leave = (): void => {
    if (inside) generation.leave()
    inside = false
  }
  try {
    const response = await (isAnybodyListening() ? traceRequest(exchange, () => answer(exchange)) : answer(exchange))
    if (response === HANDED_OVER) throw new GatewayError('PSTN_INTERNAL', 'A call was handed over to a host.')
    return await toWhatwg(response, (brokenBy) => {
      // Who made the call may have seen enough.
      const cut = isGatewayError(brokenBy) && brokenBy.code !== 'PSTN_CLIENT_CLOSED'
      if (cut) cutShort(exchange, brokenBy)
      const concluding = conclude(exchange, { status: response.status, cut })
      if (concluding instanceof Promise) concluding.then(leave, leave)
      else leave()
    })
  } catch (error) {
    endRequest(exchange, 500, true)
    leave()
    throw error
  }
}

function createExchange(api: CompiledApi, from: Exchange, path: string, init: CallInit): Exchange {
  const cancellation = new Cancellation()
  from.cancellation.onCancel((reason) => cancellation.cancel(reason))
  const request = buildRequest(path, init, ['host', from.request.host, ...loopLines(from.request)], {
    client: GatewayRequest.client(from.request),
    upstream: api.upstream,
    cancellation,
    maxBufferedBytes: api.definition.maxBufferedBytes,
  })
  return new Exchange(api, request, cancellation, from)
}

/** Circles over a call and back over the network are circles as well. */
function loopLines({ headers }: GatewayRequest): string[] {
  return linesOf(GatewayHeaders.received(headers), (name) => name === 'cdn-loop', true)
}

/**
 * `onEnd` is called when the body has been read, or never will be, with why: until then the call's own calls must go on.
 */
async function toWhatwg(response: GatewayResponse, onEnd: (error?: Error) => void): Promise<Response> {
  const { status } = response
  const headers = new Headers()
  for (const [name, value] of response.headers) headers.append(name, value)
  const content = await GatewayResponse.body(response).content()
  if (content instanceof ByteStream && !isBodyless('GET', status)) {
    const readable = content.toReadable()
    readable.once('close', () => onEnd(readable.errored ?? undefined))
    return new Response(Readable.toWeb(readable), { status, headers })
  }
  GatewayResponse.discard(response)
  onEnd()
  return new Response(isBodyless('GET', status) ? null : (content as Buffer | undefined), { status, headers })
}
