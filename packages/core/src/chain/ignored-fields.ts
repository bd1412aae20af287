import type { ByteStream } from '../http/byte-stream.ts'
import { GatewayHeaders } from '../http/headers.ts'
import { isHopByHop } from '../http/hop-by-hop.ts'
import { isFramingField } from '../http/outgoing.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import type { Exchange } from './exchange.ts'

type Content = Buffer | ByteStream | undefined | Promise<Buffer>

/** Says once what plugins wrote in vain on a request that is forwarded: its framing, its connection and its Host are made anew. */
export function warnOfIgnoredRequestFields(exchange: Exchange): void {
  const { request } = exchange
  if (GatewayHeaders.touched(request.headers) === undefined) return
  const content = (): Content => GatewayRequest.body(request).content()
  warn(exchange, 'request', request.headers, content, (name) => name === 'host' || isHopByHop(name, undefined))
}

/** The same of an answer, whoever made it. */
export function warnOfIgnoredResponseFields(exchange: Exchange, response: GatewayResponse): void {
  if (GatewayHeaders.touched(response.headers) === undefined) return
  warn(exchange, 'response', response.headers, () => GatewayResponse.body(response).content(), isFramingField)
}

function warn(
  { api }: Exchange,
  where: 'request' | 'response',
  headers: GatewayHeaders,
  content: () => Content,
  isIgnored: (lowerCaseName: string) => boolean,
): void {
  for (const name of GatewayHeaders.touched(headers) ?? []) {
    const ignored = name === 'content-length' ? isWrong(headers.get(name), content()) : isIgnored(name)
    if (!ignored || !headers.has(name)) continue
    api.services.events.warn(
      `ignored ${where} ${name} ${api.info.id}`,
      `A plugin of API "${api.info.name}" set the ${where} header "${name}", which has no effect: the gateway makes framing, connection and Host itself. (warned once)`,
    )
  }
}

/** `setBody` writes the length as well, and it is right. */
function isWrong(length: string | null, content: Content): boolean {
  if (content instanceof Promise) return false
  return !(content instanceof Buffer) || length !== String(content.length)
}
