import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LINGER_MS } from '@postern/core/host'

const ending = new WeakSet<Socket>()

/** Whether the connection ends with an answer that was decided already: what was pipelined behind it is nobody's. */
export function isEnding(req: IncomingMessage): boolean {
  return ending.has(req.socket)
}

/** The connection ends with this answer, and what the client has sent behind its request is not looked at any more. */
export function endConnectionWith(req: IncomingMessage, res: ServerResponse): void {
  res.shouldKeepAlive = false
  ending.add(req.socket)
}

/** This answer is decided: where it ends the connection, what is pipelined behind it is nobody's from now on. */
export function answerDecided(res: ServerResponse): void {
  if (!res.shouldKeepAlive) ending.add(res.req.socket)
}

/** How much of a body nobody wants is still taken, for `LINGER_MS`, so that its sender reads the answer first (RFC 9112 9.6). */
const LINGER_BYTES = 1_048_576

/** A client may take the last bytes of its connection as slowly as this: longer without one, and it is cut. */
export const STALL_MS = 30_000

/**
 * An answer that is out while its request still comes in: the rest is thrown away, up to a limit. Closed at once, the
 * connection would be reset, and the client would lose the answer.
 */
export function lingerAfter(res: ServerResponse): void {
  if (res.writableEnded) onPrefinish.call(res)
  else res.on('prefinish', onPrefinish)
}

/**
 * All of the answer is written, if not out yet. Nearly always the request is here by then, and two listeners for `finish`,
 * which Node keeps in a literal, are spared; V8 may keep those beyond the time of what they hold (bench/NOTES.md).
 */
function onPrefinish(this: ServerResponse): void {
  answerDecided(this)
  // Before Node's own listener, which ends the connection of an answer that says so.
  if (!this.req.complete) this.prependListener('finish', onFinish)
}

function onFinish(this: ServerResponse): void {
  const { req } = this
  const { socket } = req
  if (req.complete || socket.destroyed) return
  if (!this.shouldKeepAlive) endGently(socket)
  req.resume()
  cutLater(
    socket,
    () => this.shouldKeepAlive && req.complete,
    () => this.shouldKeepAlive && isRead(req),
  )
}

const REPLACED = Symbol('postern.replaced')

/** Notes that what still comes of its body is nobody's: another one stands in its place. */
export function markReplaced(req: IncomingMessage): void {
  ;(req as IncomingMessage & { [REPLACED]?: true })[REPLACED] = true
}

/** An application may answer first and read then. */
function isRead(req: IncomingMessage): boolean {
  if (REPLACED in req) return false
  return req.listenerCount('data') > 0 || req.listenerCount('readable') > 0
}

/** When Node ends this connection it only says so: what was written arrives, whatever the client still sends. */
export function endGently(socket: Socket): void {
  socket.destroySoon = () => {
    socket.end()
    cutLater(socket)
  }
}

/** Cuts a connection that still sends what nobody reads, when it has sent enough; while it `isHeld` somebody does. */
export function cutLater(
  socket: Socket,
  isOver: () => boolean = () => false,
  isHeld: () => boolean = () => false,
): void {
  const last = socket.bytesRead + LINGER_BYTES
  const deadline = performance.now() + LINGER_MS
  const timer = setInterval(() => {
    // What comes behind a request that is over belongs to the next one.
    const over = socket.destroyed || isOver()
    const enough = (socket.bytesRead > last || performance.now() > deadline) && !isHeld()
    if (!over && enough) socket.destroy()
    if (over || enough) clearInterval(timer)
  }, 50).unref()
}
