import { Readable } from 'node:stream'
import { GatewayError } from '../errors.ts'
import { ByteStream } from './byte-stream.ts'

/** What `setBody` takes. An object becomes JSON. */
export type BodyInput = string | Uint8Array | Readable | object

const NOTHING = Buffer.alloc(0)

/** A body is a stream until somebody looks and bytes from then on, up to a limit. */
export class Body {
  #content: Buffer | ByteStream | undefined
  #reading: Promise<Buffer> | undefined
  readonly #limitBytes: number
  readonly #tooLarge: (limitBytes: number) => GatewayError
  /** Whether a plugin replaced the content. */
  replaced = false

  constructor(
    content: Buffer | ByteStream | undefined,
    limitBytes: number,
    tooLarge: (limitBytes: number) => GatewayError,
  ) {
    this.#content = content
    this.#limitBytes = limitBytes
    this.#tooLarge = tooLarge
  }

  /** Whether it is still exactly the stream that came in: nothing read, nothing replaced. */
  get untouched(): boolean {
    return !this.replaced && this.#reading === undefined
  }

  /** All bytes; the first call reads the stream, later ones share the result. */
  bytes(): Promise<Buffer> {
    const content = this.#content
    if (this.#reading !== undefined) return this.#reading
    if (!(content instanceof ByteStream)) return Promise.resolve(content ?? NOTHING)
    if (content.consumed) {
      return Promise.reject(
        new GatewayError('PSTN_BODY_SENT', 'The body has been sent on and is gone; read it in an earlier hook.'),
      )
    }
    const reading = content.collect(this.#limitBytes, () => this.#tooLarge(this.#limitBytes))
    // A plugin may start reading and not wait: whoever asks next still gets the error, nobody an unhandled rejection.
    reading.catch(() => undefined)
    this.#reading = reading.then((bytes) => {
      if (this.#content === content) this.#content = bytes
      return bytes
    })
    this.#reading.catch(() => undefined)
    return this.#reading
  }

  replace(content: Buffer | ByteStream | undefined): void {
    if (this.#content instanceof ByteStream && this.#reading === undefined) this.#content.cancel()
    this.#content = content
    this.#reading = undefined
    this.replaced = true
  }

  /** Replaces the content by something made from it. */
  derive(make: (content: Buffer | ByteStream | undefined | Promise<Buffer>) => ByteStream): void {
    this.#content = make(this.content())
    this.#reading = undefined
    this.replaced = true
  }

  /** What is to be sent. A promise only while a plugin's read is still under way. */
  content(): Buffer | ByteStream | undefined | Promise<Buffer> {
    return this.#content instanceof ByteStream && this.#reading !== undefined ? this.#reading : this.#content
  }
}

/** What a value given to `setBody` is on the wire, and the media type it has when its author names none. */
export function encodeBody(input: BodyInput): { readonly content: Buffer | ByteStream; readonly type: string } {
  if (typeof input === 'string') return { content: Buffer.from(input), type: 'text/plain; charset=utf-8' }
  if (input instanceof Uint8Array) return { content: toBuffer(input), type: 'application/octet-stream' }
  if (input instanceof Readable) return { content: ByteStream.from(input), type: 'application/octet-stream' }
  return { content: Buffer.from(JSON.stringify(input)), type: 'application/json' }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
