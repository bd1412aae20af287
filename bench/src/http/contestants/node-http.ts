import { Agent, createServer, request as ask, type Server } from 'node:http'
import { SMALL } from '../payloads.ts'

/** The floor: what Node's server costs when there is nothing to do. */
export function answersItself(): Server {
  const body = Buffer.from(SMALL)
  return createServer((req, res) => {
    req.resume()
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    res.end(body)
  })
}

/** A keep-alive proxy as somebody writes it by hand: no hop-by-hop rules, no deadlines, no errors told. */
export function minimalProxy(upstream: URL): Server {
  const agent = keepAliveAgent()
  return createServer((req, res) => {
    const forwarded = ask(
      {
        host: upstream.hostname,
        port: upstream.port,
        method: req.method,
        path: req.url,
        headers: { ...req.headers, connection: 'keep-alive' },
        agent,
      },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(res)
      },
    )
    forwarded.once('error', () => res.destroy())
    req.pipe(forwarded)
  })
}

/** For all that proxy with Node's client: as many connections as there are requests, none thrown away. */
export function keepAliveAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 8_192 })
}
