import { ByteStream } from '../../http/byte-stream.ts'
import { FIELD_VALUE, TOKEN } from '../../http/headers.ts'
import { EXPECTS_BODY, type Message } from '../exchange.ts'

const TARGET = /^\/[\u0021-\u007E\u0080-\u00FF]*$/

/** Whether nothing may be asked behind it: who answers HEAD with a body, or reads none of GET, is out of step then. */
export function isLast({ method, body }: Message): boolean {
  return method === 'HEAD' || (hasBody(body) && !EXPECTS_BODY.has(method))
}

function hasBody(body: Message['body']): boolean {
  return body instanceof ByteStream || (body !== undefined && body.length > 0)
}

/**
 * The head as text, up to its framing. What is no request any more is refused here, whoever has let it through: a line
 * break in it would be a second request, and so would a character that is cut to one (`\u010A`).
 */
export function requestHead(message: Message): string {
  const { method, target, headers } = message
  if (!TOKEN.test(method) || !TARGET.test(target)) throw unsendable(`${method} ${target}`)
  let text = `${method} ${target} HTTP/1.1\r\nhost: ${headers[1]!}\r\n`
  text += isLast(message) ? 'connection: close\r\n' : 'connection: keep-alive\r\n'
  if (!FIELD_VALUE.test(headers[1]!)) throw unsendable('host')
  for (let i = 2; i < headers.length; i += 2) {
    if (!FIELD_VALUE.test(headers[i + 1]!) || !TOKEN.test(headers[i]!)) throw unsendable(headers[i]!)
    text += `${headers[i]!}: ${headers[i + 1]!}\r\n`
  }
  return text
}

function unsendable(what: string): Error {
  return Object.assign(new Error(`${JSON.stringify(what)} is nothing HTTP can carry.`), { code: 'ERR_UNSENDABLE' })
}
