import { ByteStream } from './byte-stream.ts'
import { GatewayHeaders } from './headers.ts'
import { GatewayResponse } from './response.ts'

/** A field name or value; a list is one line per value. */
export type HeaderLine = string | string[]

/** A response as it goes to the client: the framing is made here, from the body that is really there. */
export interface OutgoingMessage {
  readonly status: number
  /**
   * Flat `[name, value, name, value, ...]`. A repeated field stands once, with a list: given twice, Node 20 would keep the
   * last line only when the host has set headers of its own.
   */
  readonly lines: HeaderLine[]
  readonly body: Buffer | ByteStream | undefined
}

// A plugin cannot speak for the connection to the client; what it sets here has no effect.
const OF_THE_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'trailer', 'te'])

/** Whether a field frames the answer or speaks for the connection: both are made here, never by a plugin. */
export function isFramingField(lowerCaseName: string): boolean {
  return (
    lowerCaseName === 'transfer-encoding' || lowerCaseName === 'content-length' || OF_THE_CONNECTION.has(lowerCaseName)
  )
}

/** Whether an answer carries no body whatever its headers say (RFC 9110 6.4.1). */
export function isBodyless(method: string, status: number): boolean {
  return method === 'HEAD' || status < 200 || status === 204 || status === 205 || status === 304
}

/** What there is to write. A promise only while a plugin is still reading the body. */
export function takeOutgoing(response: GatewayResponse, method: string): OutgoingMessage | Promise<OutgoingMessage> {
  const body = GatewayResponse.body(response)
  const content = body.content()
  return content instanceof Promise
    ? content.then((bytes) => outgoing(response, bytes, method))
    : outgoing(response, content, method)
}

/** A stream that is complete already becomes bytes, so that head and body leave in one write. */
function outgoing(
  response: GatewayResponse,
  content: Buffer | ByteStream | undefined,
  method: string,
): OutgoingMessage {
  const { status, headers } = response
  const streamUntouched = GatewayResponse.body(response).untouched
  const bodyless = isBodyless(method, status)
  const bytes = content instanceof ByteStream ? content.takeComplete() : (content ?? NOTHING)
  if (bodyless && content instanceof ByteStream && bytes === undefined) content.cancel()
  const touched = GatewayHeaders.touched(headers)
  // The declared length of a stream is the upstream's; one a plugin wrote is a guess.
  const keepsLength = bodyless
    ? method === 'HEAD' || status === 304
    : bytes === undefined && streamUntouched && touched?.has('content-length') !== true
  const source = GatewayHeaders.lines(headers)
  const lines: HeaderLine[] = []
  const names: string[] = []
  for (let i = 0; i < source.length; i += 2) {
    const name = source[i]!.toLowerCase()
    if (name === 'transfer-encoding' || (name === 'content-length' && !keepsLength)) continue
    if (touched?.has(name) === true && OF_THE_CONNECTION.has(name)) continue
    const known = names.indexOf(name)
    if (known === -1) {
      names.push(name)
      lines.push(source[i]!, source[i + 1]!)
    } else {
      const before = lines[known * 2 + 1]!
      if (typeof before === 'string') lines[known * 2 + 1] = [before, source[i + 1]!]
      else before.push(source[i + 1]!)
    }
  }
  // Unlike 204 and 304, a 205 is framed like any answer (RFC 9110 15.3.6): it has to say that nothing follows.
  if (status === 205 && method !== 'HEAD') lines.push('Content-Length', '0')
  if (bodyless) return { status, lines, body: undefined }
  if (bytes === undefined) return { status, lines, body: content }
  lines.push('Content-Length', String(bytes.length))
  return { status, lines, body: bytes }
}

const NOTHING = Buffer.alloc(0)
