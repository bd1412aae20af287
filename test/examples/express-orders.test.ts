import { createServer } from 'node:http'
import { createApp } from '@postern-example/express-orders'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { listen } from '../support/server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const named = (name: string): Promise<Upstream> =>
  startUpstream((res) => {
    res.writeHead(200, { 'content-type': 'application/json', server: name }).end(JSON.stringify({ from: name }))
  })

async function start() {
  const [orders, stock, eu, us] = await Promise.all(['orders', 'stock', 'eu', 'us'].map(named))
  const { app, gateway } = createApp({
    orders: orders!.url,
    stock: stock!.url,
    invoices: { eu: eu!.url, us: us!.url },
  })
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const { url } = await listen(createServer(app))
  return { url, gateway, orders: orders!, stock: stock!, us: us! }
}

const gold = { headers: { authorization: 'gold-key' } }
const free = { headers: { authorization: 'free-key' } }

describe('express-orders', () => {
  afterEach(closeAll)

  it('leaves the routes of the service as they are', async () => {
    const { url } = await start()
    expect(await send(url, '/health')).toMatchObject({ status: 200, text: 'ok' })
  })

  it('sends the upstream what post made of the request, and the client what response made of the answer', async () => {
    const { url, orders } = await start()
    const reply = await send(url, '/orders/7?debug=1&full=1', gold)
    expect(reply).toMatchObject({ status: 200, text: '{"from":"orders"}' })
    expect(reply.headers).not.toHaveProperty('server')
    const { target, headers } = orders.only()
    expect(target).toBe('/7?full=1')
    expect(headers).toMatchObject({ 'x-tier': 'gold', 'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/) })
    expect(headers).not.toHaveProperty('authorization')
  })

  it('refuses an unknown key in auth, and a write of the free tier in postAuth', async () => {
    const { url, orders } = await start()
    const stranger = await send(url, '/orders/7')
    expect([stranger.status, JSON.parse(stranger.text)]).toEqual([401, { error: 'Unknown key' }])
    const write = await send(url, '/orders/7', { ...free, method: 'DELETE' })
    expect([write.status, JSON.parse(write.text)]).toEqual([403, { error: 'The free tier only reads' }])
    expect(orders.seen).toEqual([])
  })

  it('answers a virtual endpoint without its upstream', async () => {
    const { url, orders } = await start()
    const { status, text } = await send(url, '/orders/me', gold)
    expect([status, JSON.parse(text)]).toEqual([200, { name: 'ada' }])
    expect(orders.seen).toEqual([])
  })

  it('aggregates two upstreams into one answer', async () => {
    const { url, orders, stock } = await start()
    const { text } = await send(url, '/orders/7/summary', gold)
    expect(JSON.parse(text)).toEqual({ order: { from: 'orders' }, stock: { from: 'stock' } })
    expect([orders.only().target, stock.only().target]).toEqual(['/7', '/of-order/7'])
  })

  it("routes an invoice to the caller's region", async () => {
    const { url, orders, us } = await start()
    expect(await send(url, '/orders/7/invoice', free)).toMatchObject({ status: 200, text: '{"from":"us"}' })
    expect(us.only().target).toBe('/7/invoice')
    expect(orders.seen).toEqual([])
  })

  it('masks the client in the records', async () => {
    const { url, gateway } = await start()
    await send(url, '/orders/me', gold)
    await expect.poll(() => gateway.records.list().map(({ clientAddress }) => clientAddress)).toEqual(['127.0.0.0'])
  })
})
