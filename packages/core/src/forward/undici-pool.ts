import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'
import type * as undici from 'undici'
import { ByteStream } from '../http/byte-stream.ts'
import type { Connector } from './connector.ts'
import type { Asker, Exchange, Message, UpstreamPool } from './exchange.ts'
import { upstreamSocket } from './upstream-socket.ts'

/** It takes a tenth of a second and 20 MB, so only those wait for it who want it. */
const load = createRequire(import.meta.url)

/** Connections of undici, one request at a time on each. */
export class UndiciPool implements UpstreamPool {
  readonly #pool: undici.Pool

  constructor(origin: string, connect: Connector) {
    const { Pool } = load('undici') as typeof undici
    this.#pool = new Pool(origin, {
      pipelining: 1,
      connect: (options, done) =>
        connect(options, (...[error, socket]) => {
          if (error === null) done(null, upstreamSocket(socket))
          else done(error, null)
        }),
    })
  }

  dispatch(message: Message, asker: Asker): void {
    const { origin, serverName, method, target, headers, body, length, headersTimeoutMs, bodyTimeoutMs } = message
    this.#pool.dispatch(
      {
        origin,
        // The certificate is the upstream's, whatever host the client asked for.
        ...(serverName !== undefined && { servername: serverName }),
        method,
        path: target,
        headers: length === undefined ? [...headers] : [...headers, 'Content-Length', String(length)],
        body: body instanceof ByteStream ? readableOf(body) : (body ?? null),
        headersTimeout: headersTimeoutMs,
        bodyTimeout: bodyTimeoutMs,
      },
      new UndiciExchange(asker),
    )
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  destroy(): Promise<void> {
    return this.#pool.destroy()
  }
}

const readables = new WeakMap<ByteStream, Readable>()

/** A stream that could not be sent is offered again. */
function readableOf(stream: ByteStream): Readable {
  const known = readables.get(stream)
  if (known !== undefined) return known
  const readable = stream.toReadable()
  readables.set(stream, readable)
  return readable
}

/** undici's callbacks, in our words. */
class UndiciExchange implements Exchange {
  readonly #asker: Asker
  #abort: (error?: Error) => void = () => undefined
  #resume: () => void = () => undefined
  #refused = false

  constructor(asker: Asker) {
    this.#asker = asker
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort
    this.#asker.connected(this)
  }

  onResponseStarted(): void {
    this.#asker.started()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    this.#resume = resume
    this.#asker.head(
      status,
      rawHeaders.map((bytes) => bytes.toString('latin1')),
      undefined,
    )
    return !this.#refused
  }

  onData(chunk: Buffer): boolean {
    // Given again to look whether there is more, by when the connection may be at its end: no time to pause.
    return chunk.length === 0 || this.#asker.data(chunk)
  }

  onComplete(): void {
    this.#asker.end()
  }

  onError(cause: Error): void {
    this.#asker.error(cause)
  }

  abort(): void {
    this.#refused = true
    this.#abort()
  }

  resume(): void {
    this.#resume()
  }
}
