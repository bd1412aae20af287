const FRAME = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const DICTIONARY_ID_BYTES = [0, 1, 2, 4]
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const CHECKSUM_BYTES = 4

/** What the next bytes are, and how many of them it takes to read on. */
const NEEDED = { magic: 4, descriptor: 1, block: 3, skippable: 4 }

/**
 * Where the frames of a zstd body end (RFC 8878 3.1). A body may be several, and the decoder of Node drops without a word
 * what follows one in the same chunk.
 */
export class ZstdFrames {
  #state: keyof typeof NEEDED = 'magic'
  #head: number[] = []
  /** Bytes that need not be looked at before the next head. */
  #skip = 0
  #checksum = false
  /** The frame is over behind what is skipped. */
  #last = false
  #broken = false

  /** Whether a frame has ended and none has begun since. */
  get complete(): boolean {
    return this.#state === 'magic' && this.#head.length === 0 && !this.#broken
  }

  /** Reads on from `start`, up to the end of the frame or of the bytes; answers where that is. */
  read(bytes: Uint8Array, start: number): number {
    let at = start
    while (at < bytes.length && !this.#broken) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at)
        this.#skip -= skipped
        at += skipped
      } else {
        this.#head.push(bytes[at]!)
        at += 1
        if (this.#head.length === NEEDED[this.#state]) this.#take(littleEndian(this.#head))
      }
      if (this.#last && this.#skip === 0) {
        this.#last = false
        this.#state = 'magic'
        return at
      }
    }
    // What is no zstd the decoder refuses in its own words.
    return this.#broken ? bytes.length : at
  }

  #take(value: number): void {
    this.#head = []
    switch (this.#state) {
      case 'magic':
        if (value === FRAME) this.#state = 'descriptor'
        // The lowest four bits are the author's own.
        else if (value - (value % 16) === SKIPPABLE) this.#state = 'skippable'
        else this.#broken = true
        break
      case 'skippable':
        this.#skip = value
        this.#last = true
        break
      case 'descriptor': {
        const singleSegment = (value & 0b10_0000) !== 0
        this.#checksum = (value & 0b100) !== 0
        const contentSize = CONTENT_SIZE_BYTES[value >> 6]! + (singleSegment && value >> 6 === 0 ? 1 : 0)
        this.#skip = (singleSegment ? 0 : 1) + DICTIONARY_ID_BYTES[value & 0b11]! + contentSize
        this.#state = 'block'
        break
      }
      case 'block': {
        const isRepeatedByte = ((value >> 1) & 0b11) === 1
        this.#last = (value & 1) === 1
        this.#skip = (isRepeatedByte ? 1 : value >> 3) + (this.#last && this.#checksum ? CHECKSUM_BYTES : 0)
        break
      }
    }
  }
}

function littleEndian(bytes: readonly number[]): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0)
}
