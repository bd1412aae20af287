import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { deny, respond } from '@postern/core'
import { createGateway, type HttpGateway } from '@postern/http'
import { createInspector } from '@postern/inspector'
import { closeLater } from '../support/cleanup.ts'
import { listen } from '../support/server.ts'

export interface Shop {
  /** Base URL of the APIs. */
  readonly apis: string
  /** The page. */
  readonly page: string
  readonly gateway: HttpGateway
}

/** A small shop behind a gateway, and the inspector on a port of its own. */
export async function openShop(): Promise<Shop> {
  const orders = await listen(async (req, res) => {
    await sleep(req.url?.startsWith('/slow') === true ? 45 : 6)
    res.setHeader('server', 'orders/4.1').setHeader('set-cookie', 'session=upstream-session-canary')
    res.writeHead(req.url?.startsWith('/broken') === true ? 500 : 200, { 'content-type': 'application/json' })
    res.end('{"id":7}')
  })
  const gateway = createGateway([
    {
      name: 'orders',
      listenPath: '/orders/',
      secrets: { headers: ['x-passport'], query: ['visa'] },
      upstream: { targets: [orders.url, { url: orders.url.replace('127.0.0.1', 'localhost'), weight: 3 }] },
      hooks: {
        pre: [
          function stampRequest(request) {
            request.headers.set('x-tenant', 'acme')
          },
          function openFields(request) {
            request.headers.delete('x-debug')
          },
        ],
        auth: async function checkKey(request) {
          await sleep(3)
          const key = request.headers.get('authorization')
          if (key !== 'gold-key-canary') return deny(401, 'Unknown key')
          return { alias: 'ada', metadata: { token: 'user-ada' } }
        },
        postAuth: [
          function freeTierReads(request) {
            return request.method === 'DELETE' ? deny(403, 'The free tier only reads') : undefined
          },
        ],
        post: [
          function forUpstream(request) {
            request.headers.set('x-upstream-key', request.headers.get('authorization') ?? '')
            request.headers.set('x-note', `from ${request.headers.get('authorization')}`)
            request.headers.delete('authorization')
            request.query.delete('debug')
          },
        ],
        response: [
          function hideServer(response) {
            response.headers.delete('server')
          },
        ],
        analytics: [
          function maskClient(record) {
            record.clientAddress = record.clientAddress.replace(/\d+$/, '0')
          },
        ],
      },
      limits: { rate: 400, per: 60, endpoints: { 'GET /export': { rate: 2, per: 60 } } },
      endpoints: {
        'GET /me': [
          function whoAmI(_request, { session }) {
            return respond(200, { name: session?.alias })
          },
        ],
        'GET /:id/summary': [
          async function summary(_request, context) {
            const stock = await context.call('stock', `/of-order/${context.params['id']}`)
            return respond(200, { stock: await stock.json() })
          },
        ],
        'GET /:id/invoice': [
          function toRegion(request) {
            request.path = '/eu/invoice'
          },
        ],
        'GET /quote': [
          function quote() {
            throw new TypeError('rates are not an object')
          },
        ],
      },
    },
    { name: 'stock', listenPath: '/stock/', upstream: orders.url },
    { name: 'unreachable', listenPath: '/legacy/', upstream: { url: 'http://127.0.0.1:9', connectTimeoutMs: 500 } },
  ])
  closeLater(() => gateway.close({ timeoutMs: 0 }))
  // What is told of broken plugins is wanted here: nobody has to be warned.
  gateway.on('pluginError', () => undefined)
  gateway.on('upstreamError', () => undefined)
  const apis = await listen(createServer(gateway))
  const inspector = createInspector(gateway)
  const page = await listen(createServer(inspector))
  closeLater(() => inspector.close())
  return { apis: apis.url, page: page.url, gateway }
}

const KEY = { authorization: 'gold-key-canary' }

/** One of everything a shop meets in a quiet moment. */
export async function someTraffic({ apis }: Shop): Promise<void> {
  const ask = async (path: string, init: RequestInit = {}): Promise<void> => {
    const response = await fetch(apis + path, { headers: KEY, ...init })
    await response.arrayBuffer()
  }
  await ask('/orders/7?debug=1&page=2')
  await ask('/orders/me')
  await ask('/orders/12/summary')
  await ask('/orders/slow/report')
  await ask('/orders/7', { headers: { authorization: 'wrong-key-canary' } })
  await ask('/orders/7', { method: 'DELETE' })
  await ask('/stock/apple?warehouse=berlin-canary')
  await ask('/orders/9/invoice?visa=visa-canary', {
    headers: { ...KEY, 'x-debug': 'visa-canary', 'x-passport': 'passport-canary' },
  })
  await ask('/orders/quote')
  await ask('/orders/broken')
  for (let i = 0; i < 3; i += 1) await ask('/orders/export')
  await ask('/legacy/anything')
  await ask('/orders/8', { method: 'POST', body: '{"sku":"body-canary"}' })
}
