import { type AnswerHead, checkInterim, endOfHead, isInterim } from './answer-head.ts'
import { ChunkReader } from './chunk-reader.ts'
import { invalid } from './fields.ts'
import type { HeadReader } from './head-reader.ts'
import { COPIED_BYTES } from './read-buffer.ts'

const MOST_INTERIM = 100
/** Looked at first: heads are short, and what stands behind them is not text. */
const USUAL_HEAD = 1_024
const NOTHING = Buffer.alloc(0)

/** Who is told what an answer holds. */
export interface AnswerReceiver {
  /** `body`: all of it, where it is short and has come along with its head; undefined: it is told piece by piece. */
  onHead(head: AnswerHead, body: Buffer | undefined): void
  onData(piece: Buffer): void
  /** It is whole. `surplus`: the upstream has said more than that. */
  onEnd(surplus: boolean): void
}

/**
 * Reads one answer after another, in whatever pieces they come, by the letter of RFC 9112 and narrower where two readers
 * could differ. Everything it does not like throws `PSTN_UPSTREAM_INVALID`.
 */
export class AnswerReader {
  readonly #receiver: AnswerReceiver
  readonly #heads: HeadReader
  #reading: 'nothing' | 'head' | 'length' | 'chunks' | 'close' = 'nothing'
  #bodyless = false
  #held: Buffer | undefined
  #interim = 0
  #left = 0
  #chunks: ChunkReader | undefined

  constructor(receiver: AnswerReceiver, heads: HeadReader) {
    this.#receiver = receiver
    this.#heads = heads
  }

  /** Whether the head of an answer is awaited. */
  get expectsHead(): boolean {
    return this.#reading === 'head'
  }

  /** A request leaves; `bodyless`: what comes has no body, whatever its head says. */
  expect(bodyless: boolean): void {
    this.#reading = 'head'
    this.#bodyless = bodyless
    this.#interim = 0
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#reading = 'nothing'
    this.#held = undefined
    this.#chunks = undefined
  }

  take(data: Buffer): void {
    switch (this.#reading) {
      case 'head':
        this.#head(this.#held === undefined ? data : Buffer.concat([this.#held, data]))
        break
      case 'length':
        this.#length(data, 0)
        break
      case 'chunks':
        this.#chunked(data, 0)
        break
      case 'close':
        this.#receiver.onData(data)
        break
      case 'nothing':
        throw invalid('something nobody had asked for')
    }
  }

  /** The upstream has ended the connection, and done so cleanly. False: in the middle of an answer, or before it. */
  finish(): boolean {
    if (this.#reading !== 'close') return false
    this.#ends(false)
    return true
  }

  #head(data: Buffer): void {
    this.#held = undefined
    let from = 0
    for (;;) {
      let text = data.toString('latin1', from, from + USUAL_HEAD)
      const interim = isInterim(text)
      let end = interim === undefined ? -1 : text.indexOf('\r\n\r\n')
      if (end === -1 && interim !== undefined) {
        text = data.toString('latin1', from)
        end = endOfHead(text, interim)
      }
      if (end === -1) {
        // A copy: what is read next may have its memory.
        this.#held = Buffer.from(data.subarray(from))
        return
      }
      if (interim === false) {
        this.#final(this.#heads.read(text, end), data, from + end + 4)
        return
      }
      checkInterim(text, end)
      this.#interim += 1
      if (this.#interim > MOST_INTERIM) throw invalid(`more than ${MOST_INTERIM} interim answers`)
      from += end + 4
      if (from === data.length) return
    }
  }

  #final(head: AnswerHead, data: Buffer, from: number): void {
    const { status, framing } = head
    if (this.#bodyless || status === 204 || status === 304) {
      this.#receiver.onHead(head, undefined)
      this.#ends(from < data.length)
    } else if (framing === 'chunks') {
      this.#chunks = new ChunkReader()
      this.#reading = 'chunks'
      this.#chunked(data, from, head)
    } else if (framing === 'close') {
      this.#reading = 'close'
      this.#receiver.onHead(head, undefined)
      if (from < data.length && this.#reading === 'close') this.#receiver.onData(data.subarray(from))
    } else if (from + framing <= data.length && framing < COPIED_BYTES) {
      this.#receiver.onHead(head, framing === 0 ? NOTHING : data.subarray(from, from + framing))
      this.#ends(from + framing < data.length)
    } else {
      this.#left = framing
      this.#reading = 'length'
      this.#receiver.onHead(head, undefined)
      if (this.#reading === 'length' && from < data.length) this.#length(data, from)
    }
  }

  #length(data: Buffer, from: number): void {
    const end = Math.min(from + this.#left, data.length)
    this.#left -= end - from
    this.#receiver.onData(from === 0 && end === data.length ? data : data.subarray(from, end))
    if (this.#left === 0 && this.#reading === 'length') this.#ends(end < data.length)
  }

  /** `head`: nobody has been told of it yet; a short body that is here with it is told at once. */
  #chunked(data: Buffer, from: number, head?: AnswerHead): void {
    const pieces: Buffer[] = []
    const chunks = this.#chunks!
    let end = data.length
    let problem: unknown
    try {
      end = chunks.take(data, from, pieces)
    } catch (error) {
      problem = error
    }
    if (head !== undefined && chunks.ended && end - from < COPIED_BYTES) {
      this.#receiver.onHead(head, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
      this.#ends(end < data.length)
      return
    }
    if (head !== undefined) this.#receiver.onHead(head, undefined)
    // What was right before it went wrong is the client's.
    this.#tell(pieces)
    if (this.#reading !== 'chunks') return
    if (problem !== undefined) throw problem as Error
    if (chunks.ended) this.#ends(end < data.length)
  }

  #tell(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      if (this.#reading !== 'chunks') return
      this.#receiver.onData(piece)
    }
  }

  #ends(surplus: boolean): void {
    if (this.#reading === 'nothing') return
    this.stop()
    this.#receiver.onEnd(surplus)
  }
}
