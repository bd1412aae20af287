import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import {
  ByteStream,
  type GatewayResponse,
  type HeaderLine,
  type OutgoingMessage,
  refuse,
  takeOutgoing,
} from '@postern/core/host'
import { besideHost } from './beside-host.ts'
import { directWriter, isUnchanged } from './direct-writer.ts'

/** The calls a body is written with, once its head is decided. */
export interface BodyWriter {
  write(chunk: Uint8Array): boolean
  /** Whether anything that was written may still be in use; left out: it may. */
  holds?(): boolean
  end(chunk?: Uint8Array): void
  flushHeaders(): void
  /** Calls `resume` whenever there is room for more; left out, that is when `res` says so. */
  onDrain?(resume: () => void): void
}

/** The calls an answer is written with: those of `res`, or the ones saved before the host application's were caught. */
export interface ResponseWriter extends BodyWriter {
  /** Called before the head is written. */
  prepare?(status: number, lines: readonly HeaderLine[]): void
  writeHead(status: number, headers: HeaderLine[] | OutgoingHttpHeaders): void
}

const brokenOff = new WeakMap<ServerResponse, unknown>()

/** Notes that a response is cut short by us, and why: the client has not left. */
export function markBrokenOff(res: ServerResponse, cause: unknown): void {
  brokenOff.set(res, cause)
}

export function isBrokenOff(res: ServerResponse): boolean {
  return brokenOff.has(res)
}

export function causeOfBreak(res: ServerResponse): unknown {
  return brokenOff.get(res)
}

/** Writes an answer to the client, with backpressure. A body that breaks off ends the connection: never a clean end of half an answer. */
export function writeResponse(
  res: ServerResponse,
  response: GatewayResponse,
  method: string,
  writer: ResponseWriter = res,
): void {
  const message = takeOutgoing(response, method)
  if (!(message instanceof Promise)) {
    writeMessage(res, message, writer)
    return
  }
  message.then(
    (later) => writeMessage(res, later, writer),
    // A plugin began to read the body, did not wait for it, and it failed meanwhile.
    () => writeResponse(res, refuse(500, 'Middleware error', null, 0), method, writer),
  )
}

function writeMessage(res: ServerResponse, { status, lines, body }: OutgoingMessage, writer: ResponseWriter): void {
  if (res.destroyed || !writeHead(res, status, lines, writer)) {
    if (body instanceof ByteStream) body.cancel()
    return
  }
  const direct: BodyWriter = writer === res ? (directWriter(res) ?? writer) : writer
  if (body instanceof ByteStream) stream(res, body, direct)
  else direct.end(body)
}

/** Node refuses a head it cannot send (one already sent by a middleware, say); then the connection ends, half-written or not. */
function writeHead(res: ServerResponse, status: number, lines: HeaderLine[], writer: ResponseWriter): boolean {
  try {
    writer.prepare?.(status, lines)
    const all = besideHost(res, lines)
    if (writer === res && isUnchanged(res) && res.getHeaderNames().length > 0) {
      // Node would set them one by one as well, but look each of them up three times.
      for (let i = 0; i < all.length; i += 2) res.setHeader(String(all[i]), all[i + 1]!)
      res.writeHead(status)
    } else writer.writeHead(status, isPatched(res) ? byName(all) : all)
    return true
  } catch (error) {
    process.emitWarning(`postern could not write an answer: ${String(error)}`, 'PosternWarning')
    markBrokenOff(res, error)
    res.destroy()
    return false
  }
}

/** Middleware that wraps `writeHead` reads headers by name, and much of it knows no other form. */
function isPatched(res: ServerResponse): boolean {
  return Object.hasOwn(res, 'writeHead')
}

function byName(lines: readonly HeaderLine[]): OutgoingHttpHeaders {
  const headers = Object.create(null) as OutgoingHttpHeaders
  for (let i = 0; i < lines.length; i += 2) headers[String(lines[i])] = lines[i + 1]
  return headers
}

/**
 * Writes the head as it is set on `res`, and a body behind it; `end` is called when that is out, and has to end `res`. False,
 * and nothing is done, where middleware wants to see what is written.
 */
export function streamBody(res: ServerResponse, body: ByteStream, end: () => void): boolean {
  if (res.headersSent || res.destroyed || !isUnchanged(res)) return false
  res.writeHead(res.statusCode)
  const writer = directWriter(res, end)
  stream(res, body, writer ?? { write: (chunk) => res.write(chunk), flushHeaders: () => res.flushHeaders(), end })
  return true
}

function stream(res: ServerResponse, body: ByteStream, writer: BodyWriter): void {
  const resume = (): void => body.resume()
  if (writer.onDrain === undefined) res.on('drain', resume)
  else writer.onDrain(resume)
  res.once('close', () => body.cancel())
  body.consume({
    write: (chunk) => writer.write(chunk),
    holds: () => writer.holds?.() ?? true,
    end: () => writer.end(),
    fail: (error) => {
      markBrokenOff(res, error)
      res.destroy()
    },
  })
  // The head does not wait for the first byte of the body: an event stream may have none for minutes.
  if (!res.writableEnded && !res.destroyed) writer.flushHeaders()
}
