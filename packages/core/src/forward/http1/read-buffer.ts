import type { OnReadOpts } from 'node:net'

/** What one read brings at most, where much is expected. */
const LARGE_BYTES = 65_536
/** And where little is. */
const SMALL_BYTES = 16_384
/** Of reads of less a copy is kept: who keeps bytes should not hold a buffer of many times their size. */
export const COPIED_BYTES = LARGE_BYTES / 2
const MOST_SPARES = 16

/** What all connections of a gateway are read into. */
export class SpareBuffers {
  /** For every connection at the same time: what is kept of it is copied before anything else is read. */
  readonly small = Buffer.allocUnsafeSlow(SMALL_BYTES)
  /** For one connection each. The one given back last comes first: it is still in the processor's cache. */
  readonly #large: Buffer[] = []

  take(): Buffer {
    return this.#large.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES)
  }

  /** The small one stays where it is. */
  put(buffer: Buffer): void {
    if (buffer !== this.small && this.#large.length < MOST_SPARES) this.#large.push(buffer)
  }
}

/**
 * What a socket is read into, the same memory again and again: Node makes new memory for each read, which costs as much as the
 * rest of a large answer (bench/NOTES.md). Whoever is shown bytes has them until it returns. What somebody may have for longer
 * is `lasting`, and `keep` says that somebody does: then the next read has other memory.
 */
export class ReadBuffer {
  readonly #spares: SpareBuffers
  #buffer: Buffer
  /** How many of the last reads would have fitted into the small one; large answers often end with one of them. */
  #fitted = 1
  #kept = false
  /** Little was read: of what is shown right now a copy lasts. */
  #short = true
  /** What somebody has kept, as long as it may come back. */
  #lent: Buffer | undefined
  #early: Buffer[] | undefined = []
  #show = (bytes: Buffer): void => void this.#early!.push(Buffer.from(bytes))
  /** For the making of the socket. Node asks for a buffer behind each read. */
  readonly onread: OnReadOpts

  constructor(spares: SpareBuffers) {
    this.#spares = spares
    this.#buffer = spares.small
    this.onread = { buffer: () => this.#next(), callback: (length) => this.#read(length) }
  }

  /** Shows all that is read, and what has been read before. */
  showTo(show: (bytes: Buffer) => void): void {
    this.#show = show
    for (const bytes of this.#early ?? []) show(bytes)
    this.#early = undefined
  }

  /** `bytes`, of what is shown right now, as they may be used later: a copy where little was read. */
  lasting(bytes: Buffer): Buffer {
    return this.#short && this.#isHere(bytes) ? Buffer.from(bytes) : bytes
  }

  /** `bytes`, of what is shown right now and lasting, will be used later as well. */
  keep(bytes: Buffer): void {
    if (this.#isHere(bytes)) this.#kept = true
  }

  /** In the memory that is read into; what was put together from several reads or chunks has its own. */
  #isHere(bytes: Buffer): boolean {
    return bytes.buffer === this.#buffer.buffer
  }

  /** `bytes`, which were kept last, are not in use any more, nor is anything else that was shown with them. */
  release(bytes: Uint8Array): void {
    if (this.#lent === undefined || bytes.buffer !== this.#lent.buffer) return
    this.#spares.put(this.#lent)
    this.#lent = undefined
  }

  /** Nothing will come back that has not yet. */
  forget(): void {
    this.#lent = undefined
  }

  /** Nothing is read any more. */
  close(): void {
    // What was kept in a read that threw is somebody's.
    if (!this.#kept) this.#giveBack()
    this.#lent = undefined
  }

  #read(length: number): boolean {
    const bytes = this.#buffer.subarray(0, length)
    this.#fitted = length < SMALL_BYTES ? this.#fitted + 1 : 0
    this.#short = length < COPIED_BYTES
    this.#show(bytes)
    return true
  }

  #next(): Buffer {
    if (this.#kept) {
      this.#kept = false
      this.#lent = this.#buffer
      this.#buffer = this.#spares.small
    }
    if (this.#fitted > 1) this.#giveBack()
    else if (this.#fitted === 0 && this.#buffer === this.#spares.small) this.#buffer = this.#spares.take()
    return this.#buffer
  }

  #giveBack(): void {
    this.#spares.put(this.#buffer)
    this.#buffer = this.#spares.small
  }
}
