import type { Readable } from 'node:stream'
import type * as undici from 'undici'
import { ByteStream } from '../http/byte-stream.ts'
import type { Connector } from './connector.ts'
import type { Asker, Exchange, Message, UpstreamPool } from './exchange.ts'
import { ReceivedHead } from './received-head.ts'
import { upstreamSocket } from './upstream-socket.ts'

/** Connections of undici, one request at a time on each. It takes a tenth of a second and 20 MB: only who wants it loads it. */
export class UndiciPool implements UpstreamPool {
  readonly #made: Promise<undici.Pool>
  #pool: undici.Pool | undefined

  constructor(origin: string, connect: Connector) {
    this.#made = import('undici').then(({ Pool }) => {
      this.#pool = new Pool(origin, {
        pipelining: 1,
        connect: (options, done) =>
          connect(options, (...[error, socket]) => {
            if (error === null) done(null, upstreamSocket(socket))
            else done(error, null)
          }),
      })
      return this.#pool
    })
    // Whoever asks is told.
    this.#made.catch(() => undefined)
  }

  dispatch(message: Message, asker: Asker): void {
    if (this.#pool !== undefined) send(this.#pool, message, asker)
    else this.#made.then((pool) => send(pool, message, asker)).catch((error: unknown) => asker.error(error as Error))
  }

  async close(): Promise<void> {
    await (await this.#made).close()
  }

  async destroy(): Promise<void> {
    await (await this.#made).destroy()
  }
}

function send(pool: undici.Pool, message: Message, asker: Asker): void {
  const { origin, serverName, method, target, headers, body, length, headersTimeoutMs, bodyTimeoutMs } = message
  pool.dispatch(
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
    const lines = rawHeaders.map((bytes) => bytes.toString('latin1'))
    this.#asker.head(new ReceivedHead(status, lines), undefined)
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
