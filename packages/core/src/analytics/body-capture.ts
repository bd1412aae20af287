/** The first bytes of a body, taken as it passes: nobody waits for it, and nothing is held beyond the limit. */
export class BodyCapture {
  readonly #limitBytes: number
  readonly #chunks: Buffer[] = []
  #kept = 0
  #total = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Copied: a chunk may be part of a buffer many times its size. */
  readonly take = (chunk: Uint8Array): void => {
    this.#total += chunk.length
    const room = this.#limitBytes - this.#kept
    if (room <= 0 || chunk.length === 0) return
    const start = Buffer.from(chunk.subarray(0, room))
    this.#chunks.push(start)
    this.#kept += start.length
  }

  /** All bytes that have passed, kept or not. */
  get total(): number {
    return this.#total
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}
