import type { Socket } from 'node:net'
import { asBuffer } from '../../http/as-buffer.ts'
import type { ByteSink, ByteStream } from '../../http/byte-stream.ts'
import { EXPECTS_BODY, type Message } from '../exchange.ts'

/** What leaves as one text, head and framing included: Node copies a longer one once more on its way out. */
const LONGEST_TEXT = 16_384
const LAST_CHUNK = '0\r\n\r\n'

/** Who has to know how far a body is. */
export interface BodyKeeper {
  /** It waits for the upstream, or does so no more. */
  onBlocked(blocked: boolean): void
  /** All of it has been written. */
  onThrough(): void
  onBroken(error: Error): void
}

/** A body on its way out, its head with its first bytes: as chunks, or of the length that was announced. */
export class RequestBody implements ByteSink {
  readonly #socket: Socket
  readonly #keeper: BodyKeeper
  readonly #stream: ByteStream
  readonly #length: number | undefined
  readonly #whenEmpty: string
  #head: string
  #bytes = 0
  #over = false

  constructor(socket: Socket, keeper: BodyKeeper, stream: ByteStream, head: string, { method, length }: Message) {
    this.#socket = socket
    this.#keeper = keeper
    this.#stream = stream
    this.#head = head
    this.#length = length
    this.#whenEmpty = EXPECTS_BODY.has(method) ? 'content-length: 0\r\n\r\n' : '\r\n'
  }

  begin(): void {
    this.#stream.consume(this)
  }

  /** The connection takes more. */
  resume(): void {
    if (!this.#over) this.#stream.resume()
  }

  /** Nobody waits for the rest. */
  cancel(reason?: Error): void {
    if (this.#over) return
    this.#over = true
    this.#stream.cancel(reason)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#over || chunk.length === 0) return true
    this.#bytes += chunk.length
    if (this.#length !== undefined && this.#bytes > this.#length) {
      this.#breakOff(mismatch(this.#length))
      return true
    }
    const before =
      this.#length === undefined
        ? `${this.#framed('transfer-encoding: chunked\r\n\r\n')}${chunk.length.toString(16)}\r\n`
        : this.#framed(`content-length: ${this.#length}\r\n\r\n`)
    const more = send(this.#socket, before, chunk, this.#length === undefined ? '\r\n' : '')
    if (!more) this.#keeper.onBlocked(true)
    return more
  }

  end(): void {
    if (this.#over) return
    if (this.#length !== undefined && this.#bytes !== this.#length) {
      this.#breakOff(mismatch(this.#length))
      return
    }
    this.#over = true
    // Without a byte there is nothing to frame.
    if (this.#bytes === 0) this.#socket.write(this.#head + this.#whenEmpty, 'latin1')
    else if (this.#length === undefined) this.#socket.write(LAST_CHUNK, 'latin1')
    this.#keeper.onThrough()
  }

  fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#keeper.onBroken(error)
  }

  #breakOff(error: Error): void {
    this.cancel(error)
    this.#keeper.onBroken(error)
  }

  #framed(framing: string): string {
    const head = this.#head
    this.#head = ''
    return head === '' ? '' : head + framing
  }
}

/** One system call for whatever can be copied at little cost. */
export function send(socket: Socket, before: string, body: Uint8Array, after: string): boolean {
  if (before === '' && after === '') return socket.write(body)
  if (before.length + body.length + after.length <= LONGEST_TEXT) {
    // As latin1, in which each character is a byte: new memory for each body makes V8 collect its whole heap every second.
    return socket.write(before + asBuffer(body).toString('latin1') + after, 'latin1')
  }
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  const more = socket.write(body)
  const all = after === '' ? more : socket.write(after, 'latin1')
  socket.uncork()
  return all
}

function mismatch(length: number): Error {
  return Object.assign(new Error(`The body has not the ${length} bytes that were announced.`), {
    code: 'ERR_BODY_LENGTH',
  })
}
