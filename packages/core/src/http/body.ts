import { Readable } from 'node:stream'
import { describe, GatewayError } from '../errors.ts'
import { asBuffer } from './as-buffer.ts'
import { ByteStream } from './byte-stream.ts'
import { jsonText } from './json-text.ts'
import { brokenStream } from './transforming.ts'

/** What `setBody` takes. An object becomes JSON. */
export type BodyInput = string | Uint8Array | Readable | object

const NOTHING = Buffer.alloc(0)

/** How long a body may still come behind the end of its exchange. */
export const LINGER_MS = 2_000

/** A body's content, or a function that works it out when it is needed. */
export type BodySource = Buffer | ByteStream | undefined | (() => Buffer | ByteStream | undefined)

/** A body is a stream until somebody looks and bytes from then on, up to a limit. */
export class Body {
  #source: BodySource
  /** What came in, whatever became of it since. */
  #received: Buffer | ByteStream | undefined
  #tap: ((chunk: Uint8Array) => void) | undefined
  #shown = false
  #reading: Promise<Buffer> | undefined
  /** What the reading reads, until it has all of it. */
  #read: ByteStream | undefined
  /** What is read although it was replaced since. */
  #readInVain: ByteStream | undefined
  readonly #limitBytes: number
  readonly #tooLarge: (limitBytes: number) => GatewayError
  /** Whether a plugin replaced the content. */
  replaced = false
  /** Whether anybody has asked for the bytes. */
  wasRead = false

  constructor(source: BodySource, limitBytes: number, tooLarge: (limitBytes: number) => GatewayError) {
    this.#source = source
    if (typeof source !== 'function') this.#received = source
    this.#limitBytes = limitBytes
    this.#tooLarge = tooLarge
  }

  get #content(): Buffer | ByteStream | undefined {
    if (typeof this.#source === 'function') {
      this.#source = this.#source()
      this.#received = this.#source
      if (this.#tap !== undefined) this.#show(this.#tap)
    }
    return this.#source
  }

  /** Whether it is still exactly the stream that came in: nothing read, nothing replaced. */
  get untouched(): boolean {
    return !this.replaced && this.#reading === undefined
  }

  /** Bytes that came in and were taken by somebody: a plugin, or whoever the body was for. */
  get receivedBytes(): number {
    return takenBytes(this.#received)
  }

  /** Of what came in, and of what was sent in its place, the longer. */
  get largestBytes(): number {
    const sent = typeof this.#source === 'function' ? 0 : takenBytes(this.#source)
    return Math.max(this.receivedBytes, sent)
  }

  /** Shows what comes in to `tap` as it is taken, and what was taken before as far as it is still here. Reads nothing itself. */
  tap(tap: (chunk: Uint8Array) => void): void {
    this.#shown = true
    if (typeof this.#source === 'function') this.#tap = tap
    else this.#show(tap)
  }

  #show(tap: (chunk: Uint8Array) => void): void {
    // What a plugin has put in its place did not come in.
    const source = this.replaced ? undefined : this.#source
    if (source instanceof Buffer) tap(source)
    else if (source instanceof ByteStream) {
      if (this.#reading === undefined) source.tap(tap)
      // Some of it was handed on already.
      else this.#reading.then(tap, () => undefined)
    }
  }

  /** All bytes; the first call reads the stream, later ones share the result. */
  bytes(): Promise<Buffer> {
    this.wasRead = true
    const content = this.#content
    if (this.#reading !== undefined) return this.#reading
    if (!(content instanceof ByteStream)) return Promise.resolve(content ?? NOTHING)
    if (content.consumed) {
      return Promise.reject(
        new GatewayError('PSTN_BODY_SENT', 'The body has been sent on and is gone; read it in an earlier hook.'),
      )
    }
    this.#read = content
    const reading = content.collect(this.#limitBytes, () => this.#tooLarge(this.#limitBytes))
    // A plugin may start reading and not wait: whoever asks next still gets the error, nobody an unhandled rejection.
    reading.catch(() => undefined)
    this.#reading = reading.then((bytes) => {
      if (this.#source === content) this.#source = bytes
      if (this.#read === content) this.#read = undefined
      return bytes
    })
    this.#reading.catch(() => undefined)
    return this.#reading
  }

  replace(content: Buffer | ByteStream | undefined): void {
    // Somebody is shown what comes in, so it has to.
    const shown = this.#shown ? this.#content : undefined
    if (shown instanceof ByteStream && !shown.consumed) shown.drain()
    else this.discard()
    this.#readInVain = this.#read
    this.#source = content
    this.#reading = undefined
    this.replaced = true
  }

  /** Nobody will send it: a stream nobody reads is cancelled. */
  discard(): void {
    if (this.#source instanceof ByteStream && !this.#source.consumed) this.#source.cancel()
  }

  /** Ends readings nobody was made to wait for: they would hold a connection until the last byte is here. */
  settle(): void {
    this.#readInVain?.cut(unwanted())
  }

  /** Its message is over: what nobody took ends, and soon what somebody still reads. */
  close(): void {
    this.discard()
    if (this.#read !== undefined || this.#readInVain !== undefined)
      setTimeout(() => {
        this.settle()
        this.#read?.cut(unwanted())
      }, LINGER_MS).unref()
  }

  /** Nothing of it will be sent, whoever reads it. */
  abandon(): void {
    this.settle()
    this.#read?.cut(unwanted())
    if (this.#source instanceof ByteStream) this.#source.cancel()
  }

  /** Replaces the content by something made from it. */
  derive(make: (content: Buffer | ByteStream | undefined | Promise<Buffer>) => ByteStream): void {
    this.#source = make(this.content())
    this.#reading = undefined
    this.replaced = true
  }

  /** What is to be sent. A promise only while a plugin's read is still under way. */
  content(): Buffer | ByteStream | undefined | Promise<Buffer> {
    const content = this.#content
    return content instanceof ByteStream && this.#reading !== undefined ? this.#reading : content
  }
}

/** Of a stream, what somebody has taken. */
function takenBytes(content: Buffer | ByteStream | undefined): number {
  return content instanceof ByteStream ? content.transferred : (content?.length ?? 0)
}

function unwanted(): GatewayError {
  return new GatewayError('PSTN_CLIENT_CLOSED', 'The exchange was over before this body was here.')
}

/** A plugin may start reading and not wait: what goes wrong then must not end the process. */
export function heard<T>(reading: Promise<T>): Promise<T> {
  reading.catch(() => undefined)
  return reading
}

/** What a value given to `setBody` is on the wire, and the media type it has when its author names none. */
export function encodeBody(
  input: BodyInput,
  plugin?: unknown,
): { readonly content: Buffer | ByteStream; readonly type: string } {
  if (typeof input === 'string') return { content: Buffer.from(input), type: 'text/plain; charset=utf-8' }
  if (input instanceof Uint8Array) return { content: asBuffer(input), type: 'application/octet-stream' }
  if (input instanceof Readable) {
    const content = ByteStream.from(input, { broken: brokenStream('setBody()', plugin) })
    return { content, type: 'application/octet-stream' }
  }
  if (typeof input !== 'object' || input === null) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `${describe(input)} is no body; expected text, bytes, a stream or an object.`,
    )
  }
  return { content: Buffer.from(jsonText(input)), type: 'application/json' }
}
