import { ByteStream } from './byte-stream.ts'
import { isBodyless } from './framing.ts'
import { GatewayHeaders, sameName } from './headers.ts'
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

/** What there is to write. A promise only while a plugin is still reading the body. */
export function takeOutgoing(response: GatewayResponse, method: string): OutgoingMessage | Promise<OutgoingMessage> {
  const body = GatewayResponse.body(response)
  const content = body.content()
  return content instanceof Promise
    ? content.then((bytes) => outgoing(response, bytes, method))
    : outgoing(response, content, method)
}

/** Longer bodies gain nothing by leaving along with their head, and the memory of a stream is read into again. */
const LONG_BYTES = 32_768

/** A stream that is complete already becomes bytes, so that head and body leave in one write; a long one only for its length. */
function outgoing(
  response: GatewayResponse,
  content: Buffer | ByteStream | undefined,
  method: string,
): OutgoingMessage {
  const { status, headers } = response
  const { untouched, replaced } = GatewayResponse.body(response)
  const touched = GatewayHeaders.touched(headers)
  const bodyless = isBodyless(method, status)
  // Of the host application only; whatever a plugin does, what follows its body is not for another one.
  const trailed = !bodyless && untouched && headers.has('trailer') && touched?.has('trailer') !== true
  const isLong = !bodyless && untouched && content instanceof ByteStream && isLongAndSaysSo(content, headers)
  const bytes =
    trailed || isLong ? undefined : content instanceof ByteStream ? content.takeComplete() : (content ?? NOTHING)
  if (bodyless && content instanceof ByteStream && bytes === undefined) content.cancel()
  const length = bodyless ? lengthBeside(response, content, method) : bytes?.length
  // The declared length of a stream is its maker's; one a plugin wrote is a guess.
  const keepsLength =
    length === undefined &&
    (bodyless ? !replaced && mayDeclare(method, status) : untouched) &&
    touched?.has('content-length') !== true
  // Where nobody can read the body nobody should be told a type that was guessed from it (RFC 9110 15.4.5).
  const unsaidType = status === 304 ? GatewayResponse.madeUpType(response) : undefined
  const lines: HeaderLine[] = []
  /** Of the names so far, one bit for each length: nearly always it alone tells that a name is new. */
  let lengths = 0
  const source = GatewayHeaders.lines(headers)
  for (let i = 0; i < source.length; i += 2) {
    const name = source[i]!
    if (sameName(name, 'transfer-encoding') || (!keepsLength && sameName(name, 'content-length'))) continue
    if (sameName(name, 'trailer') && (!trailed || (keepsLength && headers.has('content-length')))) continue
    if (unsaidType !== undefined && source[i + 1] === unsaidType && sameName(name, 'content-type')) continue
    if (touched !== undefined && OF_THE_CONNECTION.has(name.toLowerCase()) && touched.has(name.toLowerCase())) continue
    const bit = 1 << (name.length & 31)
    if ((lengths & bit) === 0) lines.push(name, source[i + 1]!)
    else addLine(lines, name, source[i + 1]!)
    lengths |= bit
  }
  // Unlike 204 and 304, a 205 is framed like any answer (RFC 9110 15.3.6): it has to say that nothing follows.
  if (status === 205 && method !== 'HEAD') lines.push('Content-Length', '0')
  else if (length !== undefined) lines.push('Content-Length', String(length))
  if (bodyless) return { status, lines, body: undefined }
  return { status, lines, body: bytes ?? content }
}

/** Its head needs no look at its bytes. */
function isLongAndSaysSo({ waiting }: ByteStream, headers: GatewayHeaders): boolean {
  const isTouched = GatewayHeaders.touched(headers)?.has('content-length') === true
  return waiting > LONG_BYTES && !isTouched && headers.get('content-length') === String(waiting)
}

/** Beside the others of its name, where there are some. */
function addLine(lines: HeaderLine[], name: string, value: string): void {
  for (let at = 0; at < lines.length; at += 2) {
    const known = lines[at] as string
    if (known.length !== name.length || (known !== name && known.toLowerCase() !== name.toLowerCase())) continue
    const before = lines[at + 1]!
    if (typeof before === 'string') lines[at + 1] = [before, value]
    else before.push(value)
    return
  }
  lines.push(name, value)
}

/** The length of the body there would be, where it is here although it will not be sent. */
function lengthBeside(
  response: GatewayResponse,
  content: Buffer | ByteStream | undefined,
  method: string,
): number | undefined {
  const isHere = method === 'HEAD' && content instanceof Buffer && !GatewayResponse.isHeadOnly(response)
  return isHere && !isBodyless('GET', response.status) ? content.length : undefined
}

/** Whether there may be a length although there is no body: of the one there would be (RFC 9110 8.6). */
function mayDeclare(method: string, status: number): boolean {
  return status === 304 || (method === 'HEAD' && !isBodyless('GET', status))
}

const NOTHING = Buffer.alloc(0)
