import type { Socket } from 'node:net'
import { ByteStream } from '../../http/byte-stream.ts'
import type { Asker, Exchange, Message } from '../exchange.ts'
import type { AnswerHead } from './answer-head.ts'
import { AnswerReader, type AnswerReceiver } from './answer-reader.ts'
import { type Deadlines, NEVER, type Watched } from './deadlines.ts'
import type { HeadReader } from './head-reader.ts'
import { writePatiently } from './patient-writes.ts'
import type { ReadBuffer } from './read-buffer.ts'
import { type BodyKeeper, RequestBody, send } from './request-body.ts'
import { isLast, requestHead } from './request-head.ts'

/** How long a connection is kept where the upstream does not say, how much less than it says, and how long at most. */
const KEPT_MS = 4_000
const KEPT_LESS_MS = 2_000
const KEPT_MOST_MS = 600_000

/** Whose connection it is. */
export interface ConnectionKeeper {
  /** Reads for all its connections. */
  readonly heads: HeadReader
  /** It may be used again, as far as it can tell. */
  onFree(connection: Connection): void
  /** It cannot be used any more. */
  onGone(connection: Connection): void
  /** Its socket is closed. */
  onClosed(connection: Connection): void
}

/**
 * One connection, one request at a time on it. It is everything to its request, so that nothing is made for one: what the
 * reader of answers tells, what the request may do, and what the deadline is kept for.
 */
export class Connection implements Exchange, AnswerReceiver, BodyKeeper, Watched {
  readonly #socket: Socket
  readonly #reading: ReadBuffer
  readonly #keeper: ConnectionKeeper
  readonly #deadlines: Deadlines
  readonly #reader: AnswerReader
  #asker: Asker | undefined
  #headersTimeoutMs = 0
  #bodyTimeoutMs = 0
  #body: RequestBody | undefined
  /** Something has left for this request. */
  #begun = false
  /** Something has come for it. */
  #started = false
  /** All of it has been given to the socket. */
  #through = true
  /** Not to be used again. */
  #last = false
  #paused = false
  #unreferenced = false
  #keptMs = KEPT_MS
  deadline = NEVER

  constructor(socket: Socket, reading: ReadBuffer, keeper: ConnectionKeeper, deadlines: Deadlines) {
    this.#socket = socket
    this.#reading = reading
    this.#keeper = keeper
    this.#deadlines = deadlines
    this.#reader = new AnswerReader(this, keeper.heads)
    writePatiently(socket, () => this.#reader.expectsHead)
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onFinished())
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#onClosed())
    this.deadline = deadlines.within(KEPT_MS)
    deadlines.watch(this)
    reading.showTo((bytes) => this.#onBytes(bytes))
  }

  get usable(): boolean {
    return !this.#last && this.#socket.writable && !this.#socket.destroyed
  }

  /** Asks. The asker may think better of it when it is told of the connection. */
  ask(message: Message, asker: Asker): void {
    if (this.#unreferenced) {
      this.#unreferenced = false
      this.#socket.ref()
    }
    this.#asker = asker
    this.#headersTimeoutMs = message.headersTimeoutMs
    this.#bodyTimeoutMs = message.bodyTimeoutMs
    this.#begun = false
    this.#started = false
    asker.connected(this)
    if (this.#asker !== asker) return
    try {
      this.#write(message)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #write(message: Message): void {
    const { body, length, method } = message
    const head = requestHead(message)
    this.#last = isLast(message)
    this.#begun = true
    this.#through = !(body instanceof ByteStream)
    this.#reader.expect(method === 'HEAD')
    this.deadline = this.#deadlines.after(message.headersTimeoutMs)
    if (body instanceof ByteStream) {
      this.deadline = NEVER
      this.#body = new RequestBody(this.#socket, this, body, head, message)
      this.#body.begin()
      return
    }
    const framed = length === undefined ? `${head}\r\n` : `${head}content-length: ${length}\r\n\r\n`
    if (body === undefined || body.length === 0) this.#socket.write(framed, 'latin1')
    else send(this.#socket, framed, body, '')
  }

  // What the asker does.

  abort(asker: Asker): void {
    if (this.#asker !== asker) return
    const error = Object.assign(new Error('Nobody waits for the answer any more.'), { code: 'ABORT_ERR' })
    if (this.#begun) {
      this.#fail(error)
      return
    }
    this.#forget()
    this.#free()
    asker.error(error)
  }

  resume(asker: Asker): void {
    if (this.#asker !== asker || !this.#paused) return
    this.#paused = false
    this.deadline = this.#deadlines.after(this.#bodyTimeoutMs)
    this.#socket.resume()
  }

  release(chunk: Uint8Array): void {
    this.#reading.release(chunk)
  }

  // What the reader tells.

  onHead(head: AnswerHead, body: Buffer | undefined): void {
    const { keepAlive, keepAliveMs } = head
    // The next request would wait behind the rest of this one.
    if (!keepAlive || !this.#isThrough) this.#last = true
    this.#keptMs = keepAliveMs === undefined ? KEPT_MS : Math.min(keepAliveMs - KEPT_LESS_MS, KEPT_MOST_MS)
    this.deadline = this.#deadlines.after(this.#bodyTimeoutMs)
    const asker = this.#asker!
    const whole = body === undefined ? undefined : this.#reading.lasting(body)
    asker.head(head, whole)
    if (whole !== undefined) this.#reading.keep(whole)
  }

  onData(piece: Buffer): void {
    const asker = this.#asker!
    const lasting = this.#reading.lasting(piece)
    const more = asker.data(lasting)
    if (asker.holds) this.#reading.keep(lasting)
    if (more) {
      if (!this.#paused) this.deadline = this.#deadlines.after(this.#bodyTimeoutMs)
    } else if (this.#asker !== undefined && !this.#paused) {
      // As long as nobody takes more, the upstream cannot be late.
      this.#paused = true
      this.deadline = NEVER
      this.#socket.pause()
    }
  }

  onEnd(surplus: boolean): void {
    const asker = this.#asker!
    if (surplus || !this.#isThrough) this.#last = true
    this.#body?.cancel()
    this.#forget()
    this.#free()
    asker.end()
  }

  // What the body of the request tells.

  onBlocked(blocked: boolean): void {
    // The client's own pauses are not the upstream's.
    if (this.#reader.expectsHead) this.deadline = blocked ? this.#deadlines.after(this.#headersTimeoutMs) : NEVER
  }

  onThrough(): void {
    this.#through = true
    this.onBlocked(true)
  }

  onBroken(error: Error): void {
    this.#fail(error)
  }

  // What time brings.

  overdue(): void {
    if (this.#asker === undefined) this.destroy()
    else if (this.#reader.expectsHead) this.#fail(late(`no head of an answer within ${this.#headersTimeoutMs} ms`))
    else this.#fail(late(`nothing more of the answer within ${this.#bodyTimeoutMs} ms`))
  }

  onTick(): void {
    // One that waits for nobody does not keep the process.
    if (this.#asker !== undefined || this.#unreferenced) return
    this.#unreferenced = true
    this.#reading.forget()
    this.#socket.unref()
  }

  /** Ends it, and the request on it. */
  destroy(error: Error = closed()): void {
    this.#fail(error)
  }

  // What the socket tells.

  #onBytes(data: Buffer): void {
    if (this.#asker === undefined) {
      // Said to nobody; the next request must not take it for its answer.
      this.destroy()
      return
    }
    try {
      if (!this.#started) {
        this.#started = true
        this.#asker.started()
      }
      this.#reader.take(data)
    } catch (error) {
      // Whoever threw may have kept it; of a short read he had a copy.
      this.#reading.keep(this.#reading.lasting(data))
      this.#fail(error as Error)
    }
  }

  #onDrain(): void {
    if (this.#through) return
    this.onBlocked(false)
    this.#body?.resume()
  }

  #onFinished(): void {
    if (this.#asker !== undefined) {
      this.#last = true
      if (this.#reader.finish()) return
    }
    this.#fail(closed())
  }

  #onClosed(): void {
    this.#fail(closed())
    this.#deadlines.forget(this)
    this.#reading.close()
    this.#keeper.onClosed(this)
  }

  get #isThrough(): boolean {
    return this.#through && this.#socket.writableLength === 0
  }

  #forget(): void {
    this.#asker = undefined
    this.#body = undefined
    this.#through = true
    this.#reader.stop()
  }

  #free(): void {
    if (this.#last || this.#keptMs <= 0 || this.#socket.destroyed) {
      this.destroy()
      return
    }
    if (this.#paused) {
      this.#paused = false
      this.#socket.resume()
    }
    this.deadline = this.#deadlines.within(this.#keptMs)
    this.#keeper.onFree(this)
  }

  #fail(error: Error): void {
    const asker = this.#asker
    const body = this.#body
    this.#last = true
    this.#forget()
    this.#socket.destroy()
    this.#keeper.onGone(this)
    body?.cancel(error)
    asker?.error(error)
  }
}

function closed(): Error {
  return Object.assign(new Error('The upstream has closed the connection.'), { code: 'ERR_UPSTREAM_CLOSED' })
}

function late(what: string): Error {
  return Object.assign(new Error(what), { code: 'ERR_UPSTREAM_LATE' })
}
