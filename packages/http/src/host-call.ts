import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { HostCall } from '@postern/core/host'
import { requestBody } from './request-body.ts'

/** Hands a Node request to the gateway: references only, nothing is read yet. */
export function hostCall(req: IncomingMessage, originalUrl: string, basePath: string): HostCall {
  return {
    method: req.method ?? 'GET',
    originalUrl,
    basePath,
    rawHeaders: decodedHeaders(req),
    peer: new SocketPeer(req),
    body: (limitBytes) => requestBody(req, limitBytes),
  }
}

/** A parser above has undone the content-encoding of the body it read: the header no longer describes what there is. */
function decodedHeaders(req: IncomingMessage): readonly string[] {
  const lines = req.rawHeaders
  if (!req.readableDidRead || req.headers['content-encoding'] === undefined) return lines
  return lines.filter((_, i) => lines[i - (i % 2)]!.toLowerCase() !== 'content-encoding')
}

class SocketPeer {
  readonly #req: IncomingMessage

  constructor(req: IncomingMessage) {
    this.#req = req
  }

  get address(): string {
    return this.#req.socket.remoteAddress ?? ''
  }

  get encrypted(): boolean {
    return (this.#req.socket as Partial<TLSSocket>).encrypted === true
  }
}
