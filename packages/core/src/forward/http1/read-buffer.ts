import type { OnReadOpts } from 'node:net'

/** As much as Node reads at once. */
const READ_BYTES = 65_536
/** Reads of less are copied: nobody should hold a large buffer for a few bytes in it. */
const COPIED_BYTES = 16_384
const MOST_SPARES = 16

/** Buffers nobody uses. The one given back last comes first: it is still in the processor's cache. */
export class SpareBuffers {
  readonly #spares: Buffer[] = []

  take(): Buffer {
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES)
  }

  put(buffer: Buffer): void {
    if (this.#spares.length < MOST_SPARES) this.#spares.push(buffer)
  }
}

/**
 * What a socket is read into, the same memory again and again: Node makes new memory for each read, which costs as much as the
 * rest of a large answer (bench/NOTES.md). Whoever is shown bytes has them until it returns; `keep` says that somebody has
 * them for longer, and then the next read has other memory.
 */
export class ReadBuffer {
  readonly #spares: SpareBuffers
  #buffer: Buffer
  #copied = true
  #kept = false
  /** What somebody has kept, as long as it may come back. */
  #lent: Buffer | undefined
  #early: Buffer[] | undefined = []
  #show = (bytes: Buffer): void => void this.#early!.push(Buffer.from(bytes))
  /** For the making of the socket. */
  readonly onread: OnReadOpts

  constructor(spares: SpareBuffers) {
    this.#spares = spares
    this.#buffer = spares.take()
    this.onread = { buffer: () => this.#next(), callback: (length) => this.#read(length) }
  }

  /** Shows all that is read, and what has been read before. */
  showTo(show: (bytes: Buffer) => void): void {
    this.#show = show
    for (const bytes of this.#early ?? []) show(bytes)
    this.#early = undefined
  }

  /** What is shown right now will be used later as well. */
  keep(): void {
    if (!this.#copied) this.#kept = true
  }

  /** `bytes`, which were kept, are not in use any more, nor is anything else that was shown with them. */
  release(bytes: Uint8Array): void {
    if (this.#lent === undefined || bytes.buffer !== this.#lent.buffer) return
    this.#spares.put(this.#lent)
    this.#lent = undefined
  }

  /** Nothing is read any more. */
  close(): void {
    if (!this.#kept) this.#spares.put(this.#buffer)
    this.#kept = true
  }

  #read(length: number): boolean {
    const bytes = this.#buffer.subarray(0, length)
    this.#copied = length < COPIED_BYTES
    this.#show(this.#copied ? Buffer.from(bytes) : bytes)
    this.#copied = true
    return true
  }

  #next(): Buffer {
    if (this.#kept) {
      this.#kept = false
      this.#lent = this.#buffer
      this.#buffer = this.#spares.take()
    }
    return this.#buffer
  }
}
