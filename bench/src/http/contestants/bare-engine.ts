import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

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

function endToEnd(lines: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < lines.length; i += 2)
    if (!HOP_BY_HOP.has(lines[i]!.toLowerCase())) kept.push(lines[i]!, lines[i + 1]!)
  return kept
}
