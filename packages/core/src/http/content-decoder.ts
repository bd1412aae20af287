import { Transform, type TransformCallback } from 'node:stream'
import { GatewayError } from '../errors.ts'

/** How one coding is undone. */
export interface Coding {
  /** Makes the decoder for a body that begins with these bytes: the first two, or the only one. */
  start(beginning: Buffer): Transform
  /** Cuts a chunk into pieces its decoder can take. */
  pieces?(chunk: Buffer): readonly Buffer[]
  /** Whether the body is whole by now, as far as the decoder does not know itself. */
  isWhole?(): boolean
}

const TELLING_BYTES = 2
const NOTHING = Buffer.alloc(0)

/**
 * Undoes a coding as the bytes come. An empty body is an empty one in every coding; any other has to end where its coding
 * does, or the stream fails.
 */
export class ContentDecoder extends Transform {
  readonly #name: string
  readonly #coding: Coding
  #inner: Transform | undefined
  #beginning: Buffer = NOTHING
  /** Waits until the decoder has taken what it was given. */
  #waiting: (() => void) | undefined
  /** The coding has ended: nobody looks at what comes behind it. */
  #over = false

  constructor(name: string, coding: Coding) {
    super()
    this.#name = name
    this.#coding = coding
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#inner === undefined) {
      this.#beginning = Buffer.concat([this.#beginning, chunk])
      if (this.#beginning.length < TELLING_BYTES) done()
      else this.#feed(this.#begin(), this.#beginning, done)
    } else this.#feed(this.#inner, chunk, done)
  }

  override _flush(done: TransformCallback): void {
    if (this.#inner !== undefined) this.#finish(this.#inner, done)
    else if (this.#beginning.length === 0) done()
    else {
      const inner = this.#begin()
      this.#feed(inner, this.#beginning, () => this.#finish(inner, done))
    }
  }

  override _read(size: number): void {
    this.#inner?.resume()
    super._read(size)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#inner?.destroy()
    done(error)
  }

  #begin(): Transform {
    const inner = this.#coding.start(this.#beginning)
    inner.on('data', (decoded: Buffer) => {
      if (!this.push(decoded)) inner.pause()
    })
    inner.on('end', () => {
      this.#over = true
      this.#goOn()
    })
    inner.on('error', (cause) => this.#refuse(cause))
    this.#inner = inner
    return inner
  }

  #feed(inner: Transform, chunk: Buffer, done: () => void): void {
    const pieces = this.#coding.pieces?.(chunk) ?? [chunk]
    const next = (i: number): void => {
      if (this.#over || i === pieces.length) {
        done()
        return
      }
      this.#waiting = () => next(i + 1)
      // A failure is told by `error`. Bytes behind the end are never taken, and never refused: then it is the end that calls.
      inner.write(pieces[i], (error) => {
        if (error === null || error === undefined) this.#goOn()
      })
    }
    next(0)
  }

  #finish(inner: Transform, done: () => void): void {
    const end = (): void => {
      if (this.#coding.isWhole?.() === false) this.#refuse(new Error('unexpected end of file'))
      else done()
    }
    if (this.#over) end()
    else {
      this.#waiting = end
      inner.end()
    }
  }

  #goOn(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  #refuse(cause: Error): void {
    const message = `The response is not valid ${this.#name}, though its content-encoding says so.`
    this.destroy(new GatewayError('PSTN_RESPONSE_ENCODING', message, { cause }))
  }
}
