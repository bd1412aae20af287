import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { HostCall } from '@postern/core/host'
import { requestBody } from './request-body.ts'
import { isTruncated } from './server-settings.ts'

/** Where a host has the request's target; see `HostCall`. */
export type Targets = Pick<HostCall, 'originalUrl' | 'target' | 'basePath'>

/** Hands a Node request to the gateway: references only, nothing is read yet. */
export function hostCall(req: IncomingMessage, { originalUrl, target, basePath }: Targets): HostCall {
  return {
    method: req.method ?? 'GET',
    httpVersion: req.httpVersion,
    originalUrl,
    target,
    basePath,
    rawHeaders: decodedHeaders(req),
    truncated: isTruncated(req),
    // Asked now: a socket that is closed has forgotten.
    peer: { address: req.socket.remoteAddress ?? '', encrypted: (req.socket as Partial<TLSSocket>).encrypted === true },
    body: (limits) => requestBody(req, limits),
  }
}

/** A parser above has undone the content-encoding of the body it read: the header no longer describes what there is. */
function decodedHeaders(req: IncomingMessage): readonly string[] {
  const lines = req.rawHeaders
  if (!req.readableDidRead || req.headers['content-encoding'] === undefined) return lines
  return lines.filter((_, i) => lines[i - (i % 2)]!.toLowerCase() !== 'content-encoding')
}
