import type { Readable } from 'node:stream'
import { describe, GatewayError, isGatewayError } from '../errors.ts'
import type { ByteProducer, ByteStream } from './byte-stream.ts'

export interface ReadableSettings {
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

/** Who reads a readable, on the readable itself. */
const READER = Symbol('postern.reader')

type Read = Readable & { [READER]?: ReadableProducer | undefined }

/** Reads a Node stream. */
export class ReadableProducer implements ByteProducer {
  readonly #readable: Read
  readonly #drain: boolean
  readonly #limitBytes: number
  readonly #pauseTimeoutMs: number | undefined
  readonly #broken: ((cause: Error | undefined) => GatewayError) | undefined
  #stream: ByteStream | undefined
  #timer: NodeJS.Timeout | undefined
  #bytes = 0
  #early: Error | undefined
  /** Undefined while nothing is read. */
  #listeners: Listeners | undefined

  constructor(readable: Readable, settings: ReadableSettings) {
    this.#broken = settings.broken
    this.#readable = readable
    this.#pauseTimeoutMs = settings.pauseTimeoutMs
    this.#drain = settings.release === 'drain'
    this.#limitBytes = settings.limitBytes ?? Number.POSITIVE_INFINITY
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
    const listeners = this.#makeListeners()
    this.#listeners = listeners
    readable.on('end', listeners.end).on('error', listeners.broken)
    readable.on('close', listeners.close).on('data', listeners.data)
  }

  #makeListeners(): Listeners {
    // A plugin may give the same stream to several.
    if (this.#readable[READER] !== undefined) {
      const end = (): void => this.ended()
      const broken = (cause?: Error): void => this.broke(cause)
      return { data: (data) => this.take(data), end, broken, close: () => broken() }
    }
    this.#readable[READER] = this
    return ONE_FOR_ALL
  }

  resume(): void {
    this.#waitForMore()
    this.#readable.resume()
  }

  cancel(): void {
    this.#detach()
    if (this.#drain) this.#readable.resume()
    else this.#readable.destroy()
  }

  // What the readable tells.

  take(data: unknown): void {
    const stream = this.#stream!
    this.#timer?.refresh()
    const chunk = typeof data === 'string' ? Buffer.from(data) : data
    if (!(chunk instanceof Uint8Array)) {
      stream.fail(
        this.#whyBroken(
          new GatewayError('PSTN_VALUE_INVALID', `A body stream gave ${describe(data)}; expected bytes or text.`),
        ),
      )
      this.cancel()
      return
    }
    this.#bytes += chunk.length
    if (this.#bytes > this.#limitBytes) {
      stream.fail(
        new GatewayError('PSTN_BODY_TOO_LARGE', `The body is larger than ${this.#limitBytes} bytes (maxBodyBytes).`),
      )
      this.cancel()
    } else if (!stream.push(chunk)) {
      // As long as nobody takes more, the sender cannot be late.
      this.#stopWaiting()
      this.#readable.pause()
    }
  }

  ended(): void {
    this.#detach()
    this.#stream!.end()
  }

  broke(cause?: Error): void {
    this.#detach()
    this.#stream!.fail(this.#whyBroken(cause))
  }

  #detach(): void {
    this.#stopWaiting()
    const listeners = this.#listeners
    if (listeners === undefined) return
    this.#listeners = undefined
    if (listeners === ONE_FOR_ALL) this.#readable[READER] = undefined
    // The one for errors stays as a guard: an error after the end must not become an uncaught exception.
    this.#readable.off('data', listeners.data).off('end', listeners.end).off('close', listeners.close)
  }

  #gone(cause: Error | undefined): GatewayError {
    return cause === undefined ? aborted('The body was gone before anybody read it.', cause) : this.#whyBroken(cause)
  }

  #whyBroken(cause: Error | undefined): GatewayError {
    return this.#broken === undefined ? aborted('The body broke off.', cause) : this.#broken(cause)
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
}

interface Listeners {
  readonly data: (this: Read, data: unknown) => void
  readonly end: (this: Read) => void
  readonly broken: (this: Read, cause: Error) => void
  readonly close: (this: Read) => void
}

/**
 * The same functions for all readables: V8 may keep the table of a readable's listeners beyond its time, and with a closure
 * in it the whole request (bench/NOTES.md).
 */
const ONE_FOR_ALL: Listeners = {
  data(data) {
    this[READER]?.take(data)
  },
  end() {
    this[READER]?.ended()
  },
  broken(cause) {
    this[READER]?.broke(cause)
  },
  close() {
    this[READER]?.broke()
  },
}

/** Whoever broke it off may have said why. */
function aborted(message: string, cause: Error | undefined): GatewayError {
  return isGatewayError(cause) ? cause : new GatewayError('PSTN_BODY_ABORTED', message, { cause })
}
