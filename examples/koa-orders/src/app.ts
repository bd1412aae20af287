import { deny, respond } from '@postern/core'
import type { AuthPlugin, EndpointPlugin, PrePlugin, ResponsePlugin } from '@postern/core'
import { createGateway, type KoaGateway } from '@postern/koa'
import Koa from 'koa'

interface Order {
  readonly id: string
  readonly lines: readonly { readonly price: number }[]
}

const checkKey: AuthPlugin = (request) =>
  request.headers.get('authorization') === 'gold-key' ? { metadata: { token: 'user-1' } } : deny(401, 'Unknown key')

/** Old clients ask for /order/7; the application has only /orders/7. */
const oldPaths: PrePlugin = (request) => {
  request.path = request.path.replace(/^\/order\//, '/orders/')
}

const health: EndpointPlugin = () => respond(200, { status: 'up' })

/** Touches the head only: the body passes as the application wrote it. */
const noStore: ResponsePlugin = (response) => {
  response.headers.set('cache-control', 'no-store')
  response.headers.delete('x-powered-by')
}

/** Reads the body and replaces it; length, type and validators are put right. */
const addTotal: ResponsePlugin = async (response) => {
  if (response.status !== 200 || !response.hasBody) return
  const order = await response.json<Order>()
  response.setBody({ ...order, total: order.lines.reduce((sum, { price }) => sum + price, 0) })
}

/** No `upstream`: the application's own routes are it. */
export function createApp(): { app: Koa; gateway: KoaGateway } {
  const gateway = createGateway({
    name: 'orders',
    hooks: { pre: [oldPaths], auth: checkKey, response: [noStore, addTotal] },
    endpoints: { 'GET /health': [health] },
  })
  const app = new Koa()
  app.use(gateway)
  app.use((ctx) => {
    const [, id] = /^\/orders\/(\w+)$/.exec(ctx.path) ?? []
    ctx.set('x-powered-by', 'Koa')
    if (id !== undefined) ctx.body = { id, lines: [{ price: 5 }, { price: 7 }] } satisfies Order
  })
  return { app, gateway }
}
