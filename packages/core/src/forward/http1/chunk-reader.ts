import { maxHeaderSize } from 'node:http'
import { sameName } from '../../http/headers.ts'
import { invalid, isText, readField } from './fields.ts'

/** Digits of a chunk's size: nobody sends 4 GiB in one. */
const MOST_DIGITS = 8
/** Of all chunks together; what they say is passed over. */
const MOST_EXTENSION_BYTES = 16_384

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b

type Expected = 'size' | 'extension' | 'size LF' | 'data' | 'data CR' | 'data LF' | 'trailers' | 'end'

/** Takes the chunks off a body, byte by byte where they are framed and piece by piece where they are content. */
export class ChunkReader {
  #expected: Expected = 'size'
  #digits = 0
  #left = 0
  #extensionBytes = 0
  #inExtension = 0
  #trailerLine = ''
  #trailerBytes = 0

  /** The last one, and what stands behind it, have been read. */
  get ended(): boolean {
    return this.#expected === 'end'
  }

  /** Hands what is content to `pieces`; answers where it has come to. Throws `PSTN_UPSTREAM_INVALID`. */
  take(data: Buffer, from: number, pieces: Buffer[]): number {
    let at = from
    while (at < data.length && this.#expected !== 'end') {
      if (this.#expected === 'data') {
        const end = Math.min(at + this.#left, data.length)
        pieces.push(data.subarray(at, end))
        this.#left -= end - at
        at = end
        if (this.#left === 0) this.#expected = 'data CR'
      } else if (this.#expected === 'trailers') at = this.#trailers(data, at)
      else {
        this.#frame(data[at]!)
        at += 1
      }
    }
    return at
  }

  #frame(byte: number): void {
    switch (this.#expected) {
      case 'size':
        this.#size(byte)
        break
      case 'extension':
        this.#extension(byte)
        break
      case 'size LF':
        if (byte !== LF) throw invalid('a chunk size that is none')
        this.#digits = 0
        this.#inExtension = 0
        this.#expected = this.#left === 0 ? 'trailers' : 'data'
        break
      case 'data CR':
        if (byte !== CR) throw invalid('a chunk that is longer than its size')
        this.#expected = 'data LF'
        break
      default:
        if (byte !== LF) throw invalid('a chunk that is longer than its size')
        this.#expected = 'size'
    }
  }

  #size(byte: number): void {
    const digit = digitOf(byte)
    if (digit === -1) {
      if (this.#digits === 0 || (byte !== CR && byte !== SEMICOLON)) throw invalid('a chunk size that is none')
      this.#expected = byte === CR ? 'size LF' : 'extension'
      return
    }
    this.#digits += 1
    if (this.#digits > MOST_DIGITS) throw invalid('a chunk size no body has')
    this.#left = this.#left * 16 + digit
  }

  #extension(byte: number): void {
    if (byte === CR && this.#inExtension > 0) {
      this.#expected = 'size LF'
      return
    }
    this.#inExtension += 1
    this.#extensionBytes += 1
    if (!isText(byte) || this.#extensionBytes > MOST_EXTENSION_BYTES) throw invalid('a chunk extension that is none')
  }

  /** Nobody passes them on; they are read so that the end of the body is found where the upstream has put it. */
  #trailers(data: Buffer, from: number): number {
    const newline = data.indexOf(LF, from)
    const end = newline === -1 ? data.length : newline + 1
    this.#trailerBytes += end - from
    if (this.#trailerBytes > maxHeaderSize) throw invalid('too long a trailer')
    this.#trailerLine += data.toString('latin1', from, end)
    if (newline === -1) {
      // What is no line yet may be none already.
      if (/\r[^]|\0/.test(this.#trailerLine)) throw invalid('a trailer no message can carry')
      return end
    }
    const line = this.#trailerLine
    this.#trailerLine = ''
    if (!line.endsWith('\r\n')) throw invalid('a line that ends without CR')
    if (line.length === 2) this.#expected = 'end'
    else checkTrailer(line)
    return end
  }
}

/** Behind a body there is nothing left to say about its length (RFC 9110 6.5.1). */
function checkTrailer(line: string): void {
  const [name = ''] = readField(line, 0, line.length - 2, [])
  if (sameName(name, 'content-length') || sameName(name, 'transfer-encoding')) throw invalid('a framing in a trailer')
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
