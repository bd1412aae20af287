/**
 * Writes MessagePack, as little of it as records need. Integers are never written as floats, nor floats as integers: readers
 * in Go take neither for the other.
 */
export class MsgpackWriter {
  #buffer = Buffer.allocUnsafe(4096)
  #length = 0

  /** What has been written since the last call, as a copy. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#length))
    this.#length = 0
    // One large record must not hold its memory for ever.
    if (this.#buffer.length > LARGEST_KEPT) this.#buffer = Buffer.allocUnsafe(4096)
    return taken
  }

  /** The head of a map; as many keys and values have to follow. */
  map(entries: number): this {
    return this.#head(entries, 0x80, 16, undefined, 0xde, 0xdf)
  }

  array(elements: number): this {
    return this.#head(elements, 0x90, 16, undefined, 0xdc, 0xdd)
  }

  text(text: string): this {
    const bytes = Buffer.byteLength(text)
    this.#head(bytes, 0xa0, 32, 0xd9, 0xda, 0xdb)
    this.#makeRoom(bytes)
    this.#length += this.#buffer.write(text, this.#length)
    return this
  }

  /** In as few bytes as will do; fractions are cut off, and what no number of JavaScript says exactly is the nearest that one does. */
  integer(number: number): this {
    const value = Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Math.trunc(number)))
    this.#makeRoom(9)
    const at = this.#length
    const buffer = this.#buffer
    if (value >= 0) {
      if (value < 0x80) this.#length = buffer.writeUInt8(value, at)
      else if (value < 0x100) this.#length = buffer.writeUInt8(value, buffer.writeUInt8(0xcc, at))
      else if (value < 0x1_0000) this.#length = buffer.writeUInt16BE(value, buffer.writeUInt8(0xcd, at))
      else if (value < 0x1_0000_0000) this.#length = buffer.writeUInt32BE(value, buffer.writeUInt8(0xce, at))
      else this.#length = buffer.writeBigUInt64BE(BigInt(value), buffer.writeUInt8(0xcf, at))
    } else if (value >= -0x20) this.#length = buffer.writeInt8(value, at)
    else if (value >= -0x80) this.#length = buffer.writeInt8(value, buffer.writeUInt8(0xd0, at))
    else if (value >= -0x8000) this.#length = buffer.writeInt16BE(value, buffer.writeUInt8(0xd1, at))
    else if (value >= -0x8000_0000) this.#length = buffer.writeInt32BE(value, buffer.writeUInt8(0xd2, at))
    else this.#length = buffer.writeBigInt64BE(BigInt(value), buffer.writeUInt8(0xd3, at))
    return this
  }

  float(number: number): this {
    this.#makeRoom(9)
    this.#length = this.#buffer.writeDoubleBE(number, this.#buffer.writeUInt8(0xcb, this.#length))
    return this
  }

  flag(value: boolean): this {
    return this.#byte(value ? 0xc3 : 0xc2)
  }

  nil(): this {
    return this.#byte(0xc0)
  }

  /** What another writer has written. */
  written(bytes: Buffer): this {
    this.#makeRoom(bytes.length)
    this.#length += bytes.copy(this.#buffer, this.#length)
    return this
  }

  #byte(byte: number): this {
    this.#makeRoom(1)
    this.#length = this.#buffer.writeUInt8(byte, this.#length)
    return this
  }

  #head(size: number, short: number, shorterThan: number, in8: number | undefined, in16: number, in32: number): this {
    this.#makeRoom(5)
    const at = this.#length
    const buffer = this.#buffer
    if (size < shorterThan) this.#length = buffer.writeUInt8(short | size, at)
    else if (in8 !== undefined && size < 0x100) this.#length = buffer.writeUInt8(size, buffer.writeUInt8(in8, at))
    else if (size < 0x1_0000) this.#length = buffer.writeUInt16BE(size, buffer.writeUInt8(in16, at))
    else this.#length = buffer.writeUInt32BE(size, buffer.writeUInt8(in32, at))
    return this
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

const LARGEST_KEPT = 1024 * 1024
