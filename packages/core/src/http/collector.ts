import type { GatewayError } from '../errors.ts'
import type { ByteSink, ByteStream } from './byte-stream.ts'

/** Keeps all bytes of a stream, up to a limit: in the end a copy, since who wrote them may go on using its buffer. */
export class Collector implements ByteSink {
  readonly #stream: ByteStream
  readonly #limit: number
  readonly #tooLarge: () => GatewayError
  readonly #resolve: (bytes: Buffer) => void
  readonly #reject: (error: Error) => void
  #first: Uint8Array | undefined
  #rest: Uint8Array[] | undefined
  #bytes = 0

  constructor(
    stream: ByteStream,
    limit: number,
    tooLarge: () => GatewayError,
    resolve: (bytes: Buffer) => void,
    reject: (error: Error) => void,
  ) {
    this.#stream = stream
    this.#limit = limit
    this.#tooLarge = tooLarge
    this.#resolve = resolve
    this.#reject = reject
  }

  write(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limit) {
      this.#letGo()
      this.#stream.cancel()
      this.#reject(this.#tooLarge())
    } else if (this.#first === undefined) this.#first = chunk
    else (this.#rest ??= []).push(chunk)
    return true
  }

  end(): void {
    const chunks = this.#first === undefined ? [] : [this.#first, ...(this.#rest ?? [])]
    this.#letGo()
    this.#resolve(Buffer.concat(chunks))
  }

  fail(error: Error): void {
    this.#letGo()
    this.#reject(error)
  }

  /** The stream keeps whom it has told, and whoever has the body keeps the stream. */
  #letGo(): void {
    this.#first = this.#rest = undefined
  }
}
