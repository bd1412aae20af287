import type { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'

/** More than the buffers of all sockets on the way can hold. */
export const FLOOD_BYTES = 48 * 1024 * 1024

/** Sends with the care for backpressure it is there to test, and counts. */
export class Flood {
  readonly #piece = Buffer.alloc(64 * 1024, 'x')
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  *pieces(): Generator<Buffer> {
    while (this.#bytes < FLOOD_BYTES) {
      this.#bytes += this.#piece.length
      yield this.#piece
    }
  }

  async pump(to: Writable): Promise<void> {
    for (const piece of this.pieces()) {
      if (!to.write(piece)) await new Promise((resolve) => to.once('drain', resolve).once('close', resolve))
    }
    to.end()
  }

  /** Waits until nothing moves any more, and says how much had moved by then. */
  async stalled(): Promise<number> {
    let [before, still] = [-1, 0]
    while (still < 5) {
      await setTimeout(20)
      still = this.#bytes === before ? still + 1 : 0
      before = this.#bytes
    }
    return this.#bytes
  }
}
