import type { BodyInput } from './body.ts'
import type { ByteStream } from './byte-stream.ts'
import { GatewayHeaders } from './headers.ts'
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
  return {
    method: request.method,
    touchedHeaders: GatewayHeaders.touched(request.headers) ?? NONE,
    headerLines: GatewayHeaders.lines(request.headers),
    body: content === undefined ? undefined : { content, replacedBy: GatewayRequest.bodyValue(request) },
  }
}
