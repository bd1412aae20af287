import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { ByteStream } from '@postern/core/host'
import { type Dispatcher, Pool } from 'undici'
import { Pools } from '../../../../packages/core/dist/forward/pools.js'

/** Of one connection only. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * undici's `dispatch` straight onto the response: what postern's engine of that name could reach with no chain around it.
 * It keeps the bare rules of a proxy (hop-by-hop fields, backpressure, either side leaving) and nothing else.
 */
export function bareUndici(upstream: URL): Server {
  const pool = new Pool(upstream.origin, { pipelining: 1 })
  return createServer((req, res) => {
    const hasBody = req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined
    pool.dispatch(
      {
        method: req.method ?? 'GET',
        path: req.url ?? '/',
        headers: endToEnd(req.rawHeaders),
        body: hasBody ? req : null,
      },
      new Onto(req, res),
    )
  })
}

class Onto implements Dispatcher.DispatchHandler {
  readonly #res: ServerResponse
  #abort: (() => void) | undefined

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#res = res
    res.once('close', () => {
      if (!res.writableFinished) this.#abort?.()
      req.resume()
    })
  }

  onConnect(abort: () => void): void {
    this.#abort = abort
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    this.#res.on('drain', resume)
    this.#res.writeHead(status, endToEnd(rawHeaders.map((bytes) => bytes.toString('latin1'))))
    return true
  }

  onData(chunk: Buffer): boolean {
    return this.#res.write(chunk)
  }

  onComplete(): void {
    this.#res.end()
  }

  onError(): void {
    this.#res.destroy()
  }
}

/** Said first, and with the body. */
const MADE_ANEW = new Set([...HOP_BY_HOP, 'host', 'content-length'])

/** postern's own connections straight onto the response, with the same bare rules. */
export function bareHttp1(upstream: URL): Server {
  const pool = new Pools('http1').get(upstream.origin, { connectTimeoutMs: 10_000, verifyTls: true }, false)
  return createServer((req, res) => {
    const declared = req.headers['content-length']
    const hasBody = declared !== undefined || req.headers['transfer-encoding'] !== undefined
    let onward: Parameters<Asker['connected']>[0] | undefined
    const asker: Asker = {
      connected: (exchange) => void (onward = exchange),
      started: () => undefined,
      head({ status, lines }, whole) {
        res.writeHead(status, endToEnd(lines))
        if (whole === undefined) res.on('drain', () => onward?.resume(asker))
        else res.write(whole)
      },
      data: (chunk) => res.write(chunk),
      get holds() {
        return res.socket === null || res.socket.writableLength > 0
      },
      end: () => void res.end(),
      error: () => void res.destroy(),
    }
    res.once('close', () => {
      if (!res.writableFinished) onward?.abort(asker)
    })
    pool.dispatch(
      {
        origin: upstream.origin,
        serverName: undefined,
        method: req.method ?? 'GET',
        target: req.url ?? '/',
        headers: ['Host', req.headers.host ?? upstream.host, ...endToEnd(req.rawHeaders, MADE_ANEW)],
        body: hasBody ? streamOf(req) : undefined,
        length: declared === undefined ? undefined : Number(declared),
        headersTimeoutMs: 30_000,
        bodyTimeoutMs: 30_000,
      },
      asker,
    )
  })
}

type Asker = Parameters<ReturnType<Pools['get']>['dispatch']>[1]

function streamOf(req: IncomingMessage): ByteStream {
  const body = new ByteStream({ resume: () => void req.resume(), cancel: () => undefined })
  req.on('data', (chunk: Buffer) => {
    if (!body.push(chunk)) req.pause()
  })
  req.once('end', () => body.end())
  req.once('error', (error) => body.fail(error))
  return body
}

function endToEnd(lines: readonly string[], without: ReadonlySet<string> = HOP_BY_HOP): string[] {
  const kept: string[] = []
  for (let i = 0; i < lines.length; i += 2)
    if (!without.has(lines[i]!.toLowerCase())) kept.push(lines[i]!, lines[i + 1]!)
  return kept
}
