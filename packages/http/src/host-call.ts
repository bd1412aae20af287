import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { BodyLimits, ByteStream, HostCall } from '@postern/core/host'
import { requestBody } from './request-body.ts'
import { isTruncated } from './server-settings.ts'

/** Where a host has the request's target; see `HostCall`. */
export type Targets = Pick<HostCall, 'originalUrl' | 'target' | 'basePath'>

/** Hands a Node request to the gateway: references only, nothing is read yet. */
export function hostCall(req: IncomingMessage, targets: Targets): HostCall {
  return new NodeCall(req, targets)
}

/** A class, not a literal: V8 may keep those beyond the time of what they hold (bench/NOTES.md). */
class NodeCall implements HostCall {
  readonly method: string
  readonly httpVersion: string
  readonly originalUrl: string
  readonly target: string
  readonly basePath: string
  readonly rawHeaders: readonly string[]
  readonly truncated: boolean
  readonly peer: HostCall['peer']
  readonly #req: IncomingMessage

  constructor(req: IncomingMessage, { originalUrl, target, basePath }: Targets) {
    this.method = req.method ?? 'GET'
    this.httpVersion = req.httpVersion
    this.originalUrl = originalUrl
    this.target = target
    this.basePath = basePath
    this.rawHeaders = decodedHeaders(req)
    this.truncated = isTruncated(req)
    const { remoteAddress = '', encrypted } = req.socket as Socket & Partial<Pick<TLSSocket, 'encrypted'>>
    // Asked now: a socket that is closed has forgotten.
    this.peer = { address: remoteAddress, encrypted: encrypted === true }
    this.#req = req
  }

  body(limits: BodyLimits): Buffer | ByteStream | undefined {
    return requestBody(this.#req, limits)
  }
}

/** A parser above has undone the content-encoding of the body it read: the header no longer describes what there is. */
function decodedHeaders(req: IncomingMessage): readonly string[] {
  const lines = req.rawHeaders
  if (!req.readableDidRead || req.headers['content-encoding'] === undefined) return lines
  return lines.filter((_, i) => lines[i - (i % 2)]!.toLowerCase() !== 'content-encoding')
}
