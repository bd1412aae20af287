import type { BodyInput } from './body.ts'
import type { ByteStream } from './byte-stream.ts'
import { GatewayHeaders, linesOf } from './headers.ts'
import { GatewayRequest } from './request.ts'

/** What plugins changed on a request that the host application is now going to answer. */
export interface HostChanges {
  readonly method: string
  /** The lower-case names that changed, and all lines as they stand now. */
  readonly touchedHeaders: ReadonlySet<string>
  readonly headerLines: readonly string[]
  /** The body to put back, since a plugin has read or replaced it; undefined when the stream is untouched. */
  readonly body: { readonly content: Buffer | ByteStream; readonly replacedBy: BodyInput | undefined } | undefined
}

const NONE: ReadonlySet<string> = new Set()

/** A promise only while a plugin is still reading the body. */
export function changesForHost(request: GatewayRequest): HostChanges | Promise<HostChanges> {
  const body = GatewayRequest.body(request)
  const content = body.untouched ? undefined : body.content()
  return content instanceof Promise ? content.then((bytes) => changes(request, bytes)) : changes(request, content)
}

function changes(request: GatewayRequest, content: Buffer | ByteStream | undefined): HostChanges {
  const { headers } = request
  const touchedHeaders = GatewayHeaders.touched(headers) ?? NONE
  const lines = GatewayHeaders.lines(headers)
  const framed = touchedHeaders.has('content-length') || touchedHeaders.has('transfer-encoding')
  return {
    method: request.method,
    touchedHeaders,
    headerLines: framed ? [...linesOf(lines, isFraming, false), ...framing(request, content)] : lines,
    body: content === undefined ? undefined : { content, replacedBy: GatewayRequest.bodyValue(request) },
  }
}

const isFraming = (name: string): boolean => name === 'content-length' || name === 'transfer-encoding'

/** What is true of the body, whatever plugins say of it. */
function framing(request: GatewayRequest, content: Buffer | ByteStream | undefined): readonly string[] {
  if (content === undefined) return linesOf(GatewayHeaders.received(request.headers), isFraming, true)
  return content instanceof Buffer ? ['Content-Length', String(content.length)] : ['Transfer-Encoding', 'chunked']
}
