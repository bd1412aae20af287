import { createApp } from '@postern-example/koa-orders'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { listen } from '../support/server.ts'

async function start(): Promise<string> {
  const { app, gateway } = createApp()
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  return (await listen(app.callback())).url
}

const gold = { headers: { authorization: 'gold-key' } }

describe('koa-orders', () => {
  afterEach(closeAll)

  it("shows response plugins the application's own answer", async () => {
    const { status, text, headers } = await send(await start(), '/order/7', gold)
    expect([status, JSON.parse(text)]).toEqual([200, { id: '7', lines: [{ price: 5 }, { price: 7 }], total: 12 }])
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'content-length': String(text.length) })
  })

  it("lets the application's own 404 pass", async () => {
    const reply = await send(await start(), '/nothing', gold)
    expect(reply).toMatchObject({ status: 404, text: 'Not Found', headers: { 'cache-control': 'no-store' } })
    expect(reply.headers).not.toHaveProperty('x-powered-by')
  })

  it('answers a virtual endpoint, and strangers, by itself', async () => {
    const url = await start()
    expect(await send(url, '/health', gold)).toMatchObject({ status: 200, text: '{"status":"up"}' })
    expect(await send(url, '/orders/7')).toMatchObject({ status: 401 })
  })
})
