import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { answerDecided } from './ending.ts'
import { whenWritten, type Written } from './turn-writes.ts'
import type { BodyWriter } from './write-response.ts'

/** What Node keeps of an answer between `writeHead` and its end. Undocumented, so it is looked at, not relied on. */
interface Unsent {
  readonly _header?: unknown
  _headerSent?: unknown
  /** What `writableEnded` says. */
  finished?: boolean
}

/**
 * Writes past `res` onto its connection, without the bookkeeping that `res.write` and `res.end` do for each piece; a head and a
 * small body leave as one (`merged-writes.ts`). Node does the rest: `res.end()` finds that all has been said. Undefined where
 * that is not so simple: for a body in chunks, an answer that has to wait for its turn, or a `res` that middleware has changed.
 *
 * To be asked behind `writeHead`. `ended` is called when all is out, in place of `res.end`, and has to call that.
 */
export function directWriter(res: ServerResponse, ended?: () => void): BodyWriter | undefined {
  const { socket } = res
  const { _header: head, _headerSent: sent } = res as Unsent
  // What stands in for one, in a test or a cloud function, need not do what is done to it here.
  if (!(socket instanceof Socket) || res.chunkedEncoding || typeof head !== 'string' || sent !== false) return undefined
  if (!isUnchanged(res) || res.strictContentLength || socket.writableLength > 0) return undefined
  return new DirectWriter(res, socket, head, ended)
}

// oxlint-disable-next-line typescript/unbound-method -- to be compared, never called
const { write, end, writeHead, flushHeaders } = ServerResponse.prototype

// oxlint-disable-next-line typescript/unbound-method -- to be compared, never called
const { write: socketWrite, _write: socketWriteNow } = Socket.prototype

/** Middleware that wants to see what is written replaces these. */
export function isUnchanged(res: ServerResponse): boolean {
  return res.write === write && res.end === end && res.writeHead === writeHead && res.flushHeaders === flushHeaders
}

class DirectWriter implements BodyWriter {
  readonly #res: ServerResponse
  readonly #socket: Socket
  readonly #ended: (() => void) | undefined
  /** Empty once it is written. */
  #head: string

  constructor(res: ServerResponse, socket: Socket, head: string, ended: (() => void) | undefined) {
    this.#res = res
    this.#socket = socket
    this.#head = head
    this.#ended = ended
    ;(res as Unsent)._headerSent = true
  }

  get #gone(): boolean {
    return this.#res.destroyed || !this.#socket.writable
  }

  flushHeaders(): void {
    if (this.#head === '' || this.#gone) return
    this.#socket.write(this.#head, 'latin1')
    this.#head = ''
  }

  write(chunk: Uint8Array, onOut?: Written): boolean {
    if (this.#gone) return true
    if (this.#head === '') return this.#socket.write(chunk, onOut)
    this.#socket.cork()
    this.flushHeaders()
    const more = this.#socket.write(chunk, onOut)
    this.#socket.uncork()
    return more
  }

  /** What has not been given to the system yet; where somebody has put himself in between, nobody knows. */
  holds(): boolean {
    const socket = this.#socket
    return socket.writableLength > 0 || socket.write !== socketWrite || socket._write !== socketWriteNow
  }

  end(chunk?: Uint8Array): void {
    answerDecided(this.#res)
    // It has ended when everything is out: whoever hears of it believes that the client has it.
    const onOut: Written = (error) => {
      if (error === undefined || error === null) this.#finish()
    }
    if (chunk !== undefined && chunk.length > 0) {
      this.write(chunk, onOut)
      this.#endForNow()
      return
    }
    this.flushHeaders()
    if (this.#gone) return
    if (this.#socket.writableLength === 0) this.#finish()
    else this.#socket.write('', onOut)
  }

  /**
   * While it waits for the end of the turn, nobody has anything to add: it would be taken for the next answer. No longer, as
   * Node takes the connection of an answer that has ended for idle, and may close it.
   */
  #endForNow(): void {
    const answer: Unsent = this.#res
    if (whenWritten(this.#socket, () => void (answer.finished = false))) answer.finished = true
  }

  #finish(): void {
    if (this.#ended === undefined) this.#res.end()
    else this.#ended()
  }

  /** Calls `resume` whenever there is room for more. */
  onDrain(resume: () => void): void {
    this.#socket.on('drain', resume)
    this.#res.once('close', () => this.#socket.off('drain', resume))
  }
}
