import { Readable } from 'node:stream'
import { GatewayError } from '../errors.ts'
import { asBuffer } from './as-buffer.ts'
import { Collector } from './collector.ts'
import { ReadableProducer, type ReadableSettings } from './readable-producer.ts'

/** Where bytes come from. `resume` is called after `push` answered false, `cancel` when nobody wants the rest. */
export interface ByteProducer {
  /** The first consumer is here: bytes may flow. Absent for a source that pushes on its own. */
  start?(stream: ByteStream): void
  resume(): void
  cancel(reason?: Error): void
  /** `chunk`, the last one that had to wait for a consumer, is not in use any more, nor is what was pushed before it. */
  release?(chunk: Uint8Array): void
}

/** Where bytes go. `write` answers false for "enough until I call `stream.resume()`". */
export interface ByteSink {
  write(chunk: Uint8Array): boolean
  /** Whether anything that was written may still be in use; absent: for as long as anybody likes. */
  holds?(): boolean
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
  /** Made when there is something to wait in it; see bench/NOTES.md about literals. */
  #queue: Uint8Array[] | undefined
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

  /** Bytes that wait for a consumer. */
  get waiting(): number {
    return this.#sink === undefined ? this.#queuedBytes : 0
  }

  /** Bytes that were handed to whoever consumes them. */
  get transferred(): number {
    return this.#transferred
  }

  /** Whether anything that was pushed may still be in use: then its memory is not the producer's any more. */
  get holds(): boolean {
    return this.#sink?.holds?.() !== false
  }

  /** Shows each chunk to `tap` as it is handed on; what was handed on before is not shown. What it keeps it has to copy. */
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
      ;(this.#queue ??= []).push(chunk)
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
    const chunks = this.#queue ?? NONE
    for (const chunk of chunks) this.#handOn(DISCARD, chunk)
    this.#queue = undefined
    return chunks.length === 1 ? asBuffer(chunks[0]!) : Buffer.concat(chunks)
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
    const queued = this.#queue ?? NONE
    this.#queue = undefined
    let more = true
    for (const chunk of queued) more = this.#handOn(sink, chunk) && more
    if (queued.length > 0 && !this.holds) this.#producer.release?.(queued.at(-1)!)
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
    this.#queue = undefined
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
      this.consume(new Collector(this, limit, tooLarge, resolve, reject))
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

const NONE: readonly Uint8Array[] = []
const DISCARD: ByteSink = { write: () => true, holds: () => false, end: () => undefined, fail: () => undefined }
