import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ByteStream, GatewayError, GatewayHeaders, GatewayResponse, type HeaderLine } from '@postern/core/host'
import {
  fieldsOf,
  headerNames,
  type HostFields,
  type OwnResponse,
  ownResponse,
  resetFields,
  writerFor,
} from './own-response.ts'
import type { ResponseWriter } from './write-response.ts'

type Callback = (error?: Error | null) => void

/**
 * Catches what the host application writes from now on: the head when it would leave, the body as it comes, with the
 * host's own backpressure. Nothing is buffered here, so an event stream keeps flowing.
 */
export function captureResponse(res: ServerResponse, maxBufferedBytes: number): CapturedResponse {
  const own = ownResponse(res)
  let capture: Capture | undefined
  let caught: GatewayResponse | undefined
  const response = new Promise<GatewayResponse>((resolve, reject) => {
    capture = new Capture(res, own, (status, lines, body) => {
      caught = new GatewayResponse(status, new GatewayHeaders(lines), body, maxBufferedBytes)
      resolve(caught)
    })
    res.once('close', () => {
      const error = new GatewayError(
        'PSTN_CLIENT_CLOSED',
        'The connection was closed before the host application had answered.',
      )
      reject(error)
      capture?.abandon(error)
    })
  })
  // A capture that is released is waited for by nobody.
  response.catch(() => undefined)
  const above = fieldsOf(res)
  return {
    response,
    above,
    writerFor(answer) {
      const isCaught = answer === caught
      const prepare = (status: number, lines: readonly HeaderLine[]): void => {
        // The host's own reason phrase is for the host's own status.
        if (status !== res.statusCode) res.statusMessage = ''
        const framed = lines.some((name, i) => i % 2 === 0 && String(name).toLowerCase() === 'content-length')
        // All the host has set is among the lines, or has met no plugin.
        resetFields(res, isCaught ? [] : above, framed)
      }
      return writerFor(own, prepare, () =>
        isCaught && GatewayResponse.body(answer).untouched ? capture?.trailers : undefined,
      )
    },
    isAwaited: () => caught === undefined,
    release: () => capture?.release(),
    giveUp: () => forget(res),
  }
}

/** To somebody who answers too late it looks as if that was sent. */
function forget(res: ServerResponse): void {
  const done = (...args: readonly unknown[]): void => {
    const callback = args.find((value) => typeof value === 'function') as (() => void) | undefined
    if (callback !== undefined) process.nextTick(callback)
  }
  const itself = (): ServerResponse => res
  const nothing = (): void => undefined
  Object.assign(res, {
    setHeader: itself,
    appendHeader: itself,
    removeHeader: nothing,
    addTrailers: nothing,
    writeHead: itself,
    flushHeaders: nothing,
    writeContinue: done,
    writeProcessing: done,
    writeEarlyHints: done,
    write: (...args: readonly unknown[]) => (done(...args), true),
    end: (...args: readonly unknown[]) => (done(...args), res),
  })
}

export interface CapturedResponse {
  /** Settles when the host's head would have left. */
  readonly response: Promise<GatewayResponse>
  /** What stood on `res` before the host application was asked. */
  readonly above: HostFields
  /** Writes to the client, past what catches the host. */
  writerFor(answer: GatewayResponse): ResponseWriter
  /** Whether the host's head has still to come. */
  isAwaited(): boolean
  /** Gives the host its `res` back, as if nothing had been caught. */
  release(): void
  /** Somebody else has answered: what the host still does with its `res` has no effect. */
  giveUp(): void
}

/** Stands in for the methods of one `res`. The originals, which a middleware above may have wrapped, write to the client. */
class Capture {
  readonly #res: ServerResponse
  readonly #body: ByteStream
  readonly #onHead: (status: number, lines: string[], body: ByteStream) => void
  #headTaken = false
  #ended = false
  #hostWaits = false
  /** What the host says behind its body. */
  #trailers: OutgoingHttpHeaders | undefined
  #released = false

  constructor(
    res: ServerResponse,
    own: OwnResponse,
    onHead: (status: number, lines: string[], body: ByteStream) => void,
  ) {
    this.#res = res
    this.#onHead = onHead
    this.#body = new ByteStream({
      resume: () => {
        if (!this.#hostWaits) return
        this.#hostWaits = false
        res.emit('drain')
      },
      cancel: () => undefined,
    })
    // A middleware below may keep these functions: released, they pass on to what was there before.
    Object.assign(res, {
      writeHead: (...args: WriteHeadArguments) => (this.#released ? own.writeHead(...args) : this.#writeHead(args)),
      flushHeaders: () => (this.#released ? own.flushHeaders() : this.#takeHead()),
      write: (...args: WriteArguments) => (this.#released ? own.write(...args) : this.#write(...args)),
      end: (...args: WriteArguments) => (this.#released ? own.end(...args) : this.#end(...args)),
      addTrailers: (trailers: OutgoingHttpHeaders) =>
        this.#released ? own.addTrailers(trailers) : (this.#trailers = trailers),
    })
    // To the host its answer has left once it wrote it, also while plugins still look at it.
    defineGetter(res, 'headersSent', () => this.#headTaken || own.headersSent())
    defineGetter(res, 'writableEnded', () => this.#ended || own.writableEnded())
  }

  release(): void {
    this.#released = true
  }

  get trailers(): OutgoingHttpHeaders | undefined {
    return this.#trailers
  }

  abandon(error: Error): void {
    this.#body.fail(error)
  }

  #writeHead(args: WriteHeadArguments): ServerResponse {
    if (this.#headTaken)
      throw Object.assign(new Error('Cannot write headers after they are sent to the client'), {
        code: 'ERR_HTTP_HEADERS_SENT',
      })
    const [status, second, third] = args
    if (!(status >= 100 && status <= 999)) {
      throw Object.assign(new RangeError(`Invalid status code: ${String(status)}`), {
        code: 'ERR_HTTP_INVALID_STATUS_CODE',
      })
    }
    this.#res.statusCode = status
    if (typeof second === 'string') this.#res.statusMessage = second
    setAll(this.#res, typeof second === 'string' ? third : second)
    this.#takeHead()
    return this.#res
  }

  #write(chunk: unknown, encoding?: BufferEncoding | Callback, done?: Callback): boolean {
    this.#takeHead()
    const callback = typeof encoding === 'function' ? encoding : done
    const more = this.#body.push(toBytes(chunk, encoding))
    if (!more) this.#hostWaits = true
    if (callback !== undefined) process.nextTick(callback)
    return more
  }

  #end(chunk?: unknown, encoding?: BufferEncoding | Callback, done?: Callback): ServerResponse {
    if (this.#ended) return this.#res
    this.#ended = true
    const callback = [chunk, encoding, done].find((value) => typeof value === 'function') as (() => void) | undefined
    if (callback !== undefined) this.#res.once('finish', callback)
    const last =
      chunk === undefined || chunk === null || typeof chunk === 'function' ? undefined : toBytes(chunk, encoding)
    // The body first: an answer written in one call is complete when the plugins see it.
    if (last !== undefined) this.#body.push(last)
    this.#body.end()
    this.#takeHead()
    return this.#res
  }

  #takeHead(): void {
    if (this.#headTaken) return
    this.#headTaken = true
    const res = this.#res
    const lines: string[] = []
    for (const name of headerNames(res)) {
      // Removed once, Node would never frame the answer by chunks again: it stays until a length takes its place.
      if (name.toLowerCase() === 'transfer-encoding') continue
      const value = res.getHeader(name)
      for (const line of Array.isArray(value) ? value : [value]) lines.push(name, String(line))
      // What goes to the client is written as a whole later, so that a plugin can take a header away.
      res.removeHeader(name)
    }
    // Express 4 lets a status be text, whatever the type says.
    this.#onHead(Math.trunc(res.statusCode), lines, this.#body)
  }
}

type WriteArguments = [chunk?: unknown, encoding?: BufferEncoding | Callback, done?: Callback]
type WriteHeadHeaders = OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | undefined
export type WriteHeadArguments = [status: number, second?: string | WriteHeadHeaders, third?: WriteHeadHeaders]

/** Sets fields in any form `writeHead` takes. */
export function setAll(res: ServerResponse, headers: WriteHeadHeaders): void {
  if (headers === undefined) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value)
    return
  }
  // Node takes a flat list, and pairs as well.
  const flat = headers.flat() as (string | number)[]
  for (let i = 0; i < flat.length; i += 2) res.removeHeader(String(flat[i]))
  for (let i = 0; i < flat.length; i += 2) res.appendHeader(String(flat[i]), String(flat[i + 1]))
}

function toBytes(chunk: unknown, encoding: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  throw Object.assign(new TypeError('The chunk must be a string, a Buffer or a Uint8Array'), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
}

function defineGetter(res: ServerResponse, name: 'headersSent' | 'writableEnded', get: () => boolean): void {
  Object.defineProperty(res, name, { configurable: true, get })
}
