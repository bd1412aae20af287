import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A request as an upstream met it, in milliseconds of `performance.now()`. */
export interface Hit {
  readonly name: string
  readonly line: string
  readonly start: number
  readonly end: number
}

export interface Upstream {
  readonly name: string
  readonly url: string
  readonly server: Server
}

interface Service {
  readonly name: string
  readonly takesMs: number
  readonly answer: (id: string) => object
}

const SERVICES: readonly Service[] = [
  { name: 'orders', takesMs: 9, answer: (id) => ({ id, sku: 'apple', count: 3 }) },
  { name: 'stock', takesMs: 5, answer: () => ({ left: 40 }) },
  { name: 'invoices-eu', takesMs: 7, answer: (id) => ({ order: id, currency: 'EUR', amount: 6 }) },
  { name: 'invoices-us', takesMs: 7, answer: (id) => ({ order: id, currency: 'USD', amount: 6 }) },
]

/** The services behind the gateway, each on a free port. */
export function startUpstreams(onHit: (hit: Hit) => void): Promise<Upstream[]> {
  return Promise.all(SERVICES.map((service) => start(service, onHit)))
}

async function start({ name, takesMs, answer }: Service, onHit: (hit: Hit) => void): Promise<Upstream> {
  const server = createServer((req, res) => {
    const begun = performance.now()
    const id = /\d+/.exec(req.url ?? '')?.[0] ?? ''
    // `saw` lets the demo check what the gateway sent.
    const body = { ...answer(id), saw: { url: req.url, tier: req.headers['x-tier'], key: req.headers.authorization } }
    void sleep(takesMs).then(() => {
      res.writeHead(200, { 'content-type': 'application/json', server: name }).end(JSON.stringify(body))
      onHit({ name, line: `${req.method} ${req.url}`, start: begun, end: performance.now() })
    })
  })
  return { name, url: await listen(server), server }
}

export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
