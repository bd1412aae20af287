import { Readable } from 'node:stream'
import { describe, GatewayError, isGatewayError } from '../errors.ts'

/** Where bytes come from. `resume` is called after `push` answered false, `cancel` when nobody wants the rest. */
export interface ByteProducer {
  /** The first consumer is here: bytes may flow. Absent for a source that pushes on its own. */
  start?(stream: ByteStream): void
  resume(): void
  cancel(reason?: Error): void
}

/** Where bytes go. `write` answers false for "enough until I call `stream.resume()`". */
export interface ByteSink {
  write(chunk: Uint8Array): boolean
  end(): void
  fail(error: Error): void
}

/** Pushed bytes are held up to this many before a producer without a consumer is told to pause. */
const HIGH_WATER_BYTES = 65_536

/**
 * A pushed stream of bytes with one consumer and backpressure, at a fraction of the cost of `stream.Readable`.
 * What arrives before the consumer waits here, so a small answer is complete by the time somebody looks at it.
 */
export class ByteStream {
  readonly #producer: ByteProducer
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #sink: ByteSink | undefined
  #ended = false
  #error: Error | undefined
  /** Why it was cancelled before anybody took it. */
  #unwanted: Error | undefined
  #paused = false
  #transferred = 0
  #tap: ((chunk: Uint8Array) => void) | undefined
  #stallMs = 0
  #stall: NodeJS.Timeout | undefined

  constructor(producer: ByteProducer) {
    this.#producer = producer
  }

  /** Whether somebody has taken the bytes already. */
  get consumed(): boolean {
    return this.#sink !== undefined
  }

  /** Bytes that were handed to whoever consumes them. */
  get transferred(): number {
    return this.#transferred
  }

  /** Shows each chunk to `tap` as it is handed on; what was handed on before is not shown. */
  tap(tap: (chunk: Uint8Array) => void): void {
    this.#tap = tap
  }

  #handOn(sink: ByteSink, chunk: Uint8Array): boolean {
    this.#transferred += chunk.length
    if (this.#tap !== undefined) this.#tap(chunk)
    return sink.write(chunk)
  }

  /** From now on a consumer that has had enough may stay so for that long; then the stream fails for it. */
  limitStall(ms: number): void {
    this.#stallMs = ms
    if (this.#paused && this.#sink !== undefined) this.#waitForConsumer()
  }

  /** Producer's side. False: stop until `resume`. */
  push(chunk: Uint8Array): boolean {
    if (this.#ended || this.#error !== undefined) return true
    if (this.#sink !== undefined) {
      if (!this.#handOn(this.#sink, chunk)) this.#pause()
    } else {
      this.#queue.push(chunk)
      this.#queuedBytes += chunk.length
      if (this.#queuedBytes >= HIGH_WATER_BYTES) this.#paused = true
    }
    return !this.#paused
  }

  end(): void {
    if (this.#ended || this.#error !== undefined) return
    this.#ended = true
    this.#sink?.end()
  }

  fail(error: Error): void {
    if (this.#ended || this.#error !== undefined) return
    this.#error = error
    this.#sink?.fail(error)
  }

  /** The whole content when it has already arrived and nobody consumes it, so that head and body can leave in one write. */
  takeComplete(): Buffer | undefined {
    if (!this.#ended || this.#sink !== undefined) return undefined
    this.#sink = DISCARD
    for (const chunk of this.#queue) this.#handOn(DISCARD, chunk)
    return this.#queue.length === 1 ? asBuffer(this.#queue[0]!) : Buffer.concat(this.#queue)
  }

  /** Consumer's side: from now on everything goes to `sink`. A stream has one consumer; a second one is a bug. */
  consume(sink: ByteSink): void {
    if (this.#unwanted !== undefined) {
      // A client that hung up while its request waited for a connection: what would have sent it asks only now.
      sink.fail(this.#unwanted)
      return
    }
    if (this.#sink !== undefined) throw new GatewayError('PSTN_INTERNAL', 'A body was consumed twice.')
    this.#sink = sink
    const queued = this.#queue
    this.#queue = []
    let more = true
    for (const chunk of queued) more = this.#handOn(sink, chunk) && more
    if (this.#error !== undefined) sink.fail(this.#error)
    else if (this.#ended) sink.end()
    else if (this.#producer.start !== undefined) this.#producer.start(this)
    else if (this.#paused && more) this.resume()
    if (!more) this.#pause()
  }

  /** The consumer has room again. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    clearTimeout(this.#stall)
    this.#stall = undefined
    this.#producer.resume()
  }

  #pause(): void {
    this.#paused = true
    if (this.#stallMs > 0) this.#waitForConsumer()
  }

  #waitForConsumer(): void {
    this.#stall ??= setTimeout(() => {
      if (this.#error !== undefined || !this.#paused) return
      const error = new GatewayError(
        'PSTN_CLIENT_STALLED',
        `The client left its answer unread for ${this.#stallMs} ms (sendTimeoutMs).`,
      )
      // All may have arrived by now, and wait in the buffers of the connection: it is cut all the same.
      this.cut(error)
    }, this.#stallMs).unref()
  }

  /** Takes everything and keeps nothing. */
  drain(): void {
    this.consume(DISCARD)
  }

  /** Neither its producer nor its consumer goes on. */
  cut(error: Error): void {
    this.#sink?.fail(error)
    this.cancel(error)
  }

  /** Nobody wants the rest. */
  cancel(reason?: Error): void {
    const over = this.#ended || this.#error !== undefined
    this.#queue = []
    clearTimeout(this.#stall)
    if (over && this.#sink !== undefined) return
    const why = reason ?? new GatewayError('PSTN_CLIENT_CLOSED', 'The body was cancelled.')
    if (this.#sink === undefined) this.#unwanted = why
    this.#sink ??= DISCARD
    if (over) return
    this.#error = why
    this.#producer.cancel(reason)
  }

  /** All bytes, up to `limit`; above it the producer is cancelled and `tooLarge()` thrown. */
  collect(limit: number, tooLarge: () => GatewayError): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = []
      let bytes = 0
      this.consume({
        write: (chunk) => {
          bytes += chunk.length
          if (bytes > limit) {
            chunks.length = 0
            this.cancel()
            reject(tooLarge())
          } else {
            chunks.push(chunk)
          }
          return true
        },
        end: () => resolve(Buffer.concat(chunks)),
        fail: reject,
      })
    })
  }

  /**
   * A `Readable` over the rest, for APIs that insist on one. Destroying it cancels the stream. When the stream breaks off,
   * `onFail` is called; left out, the readable is destroyed with the error.
   */
  toReadable(onFail?: (error: Error) => void): Readable {
    let started = false
    const readable: Readable = new Readable({
      read: () => {
        if (started) {
          this.resume()
          return
        }
        started = true
        this.consume({
          write: (chunk) => readable.push(chunk),
          end: () => readable.push(null),
          fail: onFail ?? ((error) => readable.destroy(error)),
        })
      },
      destroy: (error, done) => {
        this.cancel(error ?? undefined)
        done(error)
      },
    })
    // Whoever it was made for may have let go of it by the time it fails; unheard, that would end the process.
    return readable.on('error', () => undefined)
  }

  /** Reads a Node stream. */
  static from(readable: Readable, settings: ReadableSettings = {}): ByteStream {
    return new ByteStream(new ReadableProducer(readable, settings))
  }
}

interface ReadableSettings {
  /**
   * What becomes of a cancelled stream: `drain` reads it to its end and throws it away, because destroying an
   * `IncomingMessage` would tear down the connection its answer still has to leave on.
   */
  readonly release?: 'destroy' | 'drain'
  /** More bytes than this fail the stream with `PSTN_BODY_TOO_LARGE`. */
  readonly limitBytes?: number
  /** A longer pause while somebody waits for more fails the stream with `PSTN_BODY_TIMEOUT`. */
  readonly pauseTimeoutMs?: number
  /** What the stream fails with when the readable breaks off; `PSTN_BODY_ABORTED` when left out. */
  readonly broken?: (cause: Error | undefined) => GatewayError
}

class ReadableProducer implements ByteProducer {
  readonly #readable: Readable
  readonly #drain: boolean
  readonly #limitBytes: number
  readonly #pauseTimeoutMs: number | undefined
  readonly #broken: (cause: Error | undefined) => GatewayError
  #stream: ByteStream | undefined
  #timer: NodeJS.Timeout | undefined
  #detach: () => void = () => undefined
  #early: Error | undefined

  constructor(
    readable: Readable,
    {
      release = 'destroy',
      limitBytes = Number.POSITIVE_INFINITY,
      pauseTimeoutMs,
      broken = (cause) => aborted('The body broke off.', cause),
    }: ReadableSettings,
  ) {
    this.#broken = broken
    this.#readable = readable
    this.#pauseTimeoutMs = pauseTimeoutMs
    this.#drain = release === 'drain'
    this.#limitBytes = limitBytes
    // A stream of the plugin's own may fail before anybody reads it; unheard, that would end the process.
    if (!this.#drain) readable.on('error', (error: Error) => (this.#early ??= error))
  }

  start(stream: ByteStream): void {
    const readable = this.#readable
    if (readable.destroyed || readable.readableEnded) {
      stream.fail(this.#gone(readable.errored ?? this.#early))
      return
    }
    this.#stream = stream
    this.#waitForMore()
    let bytes = 0
    const onData = (data: unknown): void => {
      this.#timer?.refresh()
      const chunk = typeof data === 'string' ? Buffer.from(data) : data
      if (!(chunk instanceof Uint8Array)) {
        stream.fail(
          this.#broken(
            new GatewayError('PSTN_VALUE_INVALID', `A body stream gave ${describe(data)}; expected bytes or text.`),
          ),
        )
        this.cancel()
        return
      }
      bytes += chunk.length
      if (bytes > this.#limitBytes) {
        stream.fail(
          new GatewayError('PSTN_BODY_TOO_LARGE', `The body is larger than ${this.#limitBytes} bytes (maxBodyBytes).`),
        )
        this.cancel()
      } else if (!stream.push(chunk)) {
        // As long as nobody takes more, the sender cannot be late.
        this.#stopWaiting()
        readable.pause()
      }
    }
    const onEnd = (): void => {
      this.#detach()
      stream.end()
    }
    const onBroken = (cause?: Error): void => {
      this.#detach()
      stream.fail(this.#broken(cause))
    }
    const onClose = (): void => onBroken()
    this.#detach = () => {
      this.#stopWaiting()
      readable.off('data', onData).off('end', onEnd).off('close', onClose)
    }
    // The error listener stays as a guard: an error after the end must not become an uncaught exception.
    readable.on('end', onEnd).on('error', onBroken).on('close', onClose).on('data', onData)
  }

  #gone(cause: Error | undefined): GatewayError {
    return cause === undefined ? aborted('The body was gone before anybody read it.', cause) : this.#broken(cause)
  }

  resume(): void {
    this.#waitForMore()
    this.#readable.resume()
  }

  #waitForMore(): void {
    const ms = this.#pauseTimeoutMs
    if (ms === undefined) return
    this.#timer ??= setTimeout(() => {
      this.#stream?.fail(
        new GatewayError('PSTN_BODY_TIMEOUT', `The client paused its body for ${ms} ms (bodyTimeoutMs).`),
      )
      this.cancel()
    }, ms).unref()
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  cancel(): void {
    this.#detach()
    if (this.#drain) this.#readable.resume()
    else this.#readable.destroy()
  }
}

/** Whoever broke it off may have said why. */
function aborted(message: string, cause: Error | undefined): GatewayError {
  return isGatewayError(cause) ? cause : new GatewayError('PSTN_BODY_ABORTED', message, { cause })
}

const DISCARD: ByteSink = { write: () => true, end: () => undefined, fail: () => undefined }

/** The same bytes as a Buffer, not copied. */
export function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}
