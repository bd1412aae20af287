import { createApp } from '@postern-example/tyk-oas-definition'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createUpstream } from '../../examples/tyk-oas-definition/src/upstream.ts'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { retargeted } from '../support/retargeted.ts'
import { listen } from '../support/server.ts'

async function start() {
  const upstream = await listen(createUpstream())
  const { server, gateway } = await createApp(retargeted('tyk-oas-definition', upstream.url))
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const { url } = await listen(server)
  const ask = (path: string, key?: string): Promise<Reply> =>
    send(url, path, { headers: { 'x-team': 'web', ...(key === undefined ? {} : { 'x-api-key': key }) } })
  return { gateway, ask }
}

const told = ({ status, text }: Reply): unknown => [status, JSON.parse(text)]

describe('tyk-oas-definition', () => {
  afterEach(closeAll)

  it('sends what it lets in to its upstream, stamped by the plugin that is handed in', async () => {
    const { ask } = await start()
    const reply = await ask('/orders/7?full=1', 'free-key')
    expect(told(reply)).toEqual([
      200,
      { path: '/7?full=1', api: 'orders (orders-v1)', request: expect.stringMatching(/^[\da-f-]{36}$/) },
    ])
    expect(reply.headers).toMatchObject({ 'x-ratelimit-limit': '100' })
    expect(reply.headers).not.toHaveProperty('server')
  })

  it('answers the receipt itself, after both plugins of that operation', async () => {
    const { ask } = await start()
    expect(told(await ask('/orders/7/receipt', 'gold-key'))).toEqual([200, { order: '7', total: 12, currency: 'EUR' }])
    expect(told(await ask('/orders/7/receipt', 'free-key'))).toEqual([
      402,
      { error: 'Receipts come with the gold plan' },
    ])
  })

  it('lets nobody in without a key', async () => {
    const { ask } = await start()
    expect(told(await ask('/orders/7'))).toEqual([401, { error: 'Unknown key' }])
  })

  it('tags its records', async () => {
    const { gateway, ask } = await start()
    await ask('/orders/7', 'gold-key')
    await vi.waitFor(() => expect(gateway.records.list()).toMatchObject([{ tags: ['x-team-web'], path: '/7' }]))
  })

  it('says what a request would meet, by the names of files and functions', async () => {
    const { gateway } = await start()
    expect(String(gateway.explain('GET', '/orders/7/receipt'))).toContain('receipts.js:onlyGold > receipts.js:receipt')
  })

  it('runs as it is, with the document it has', async () => {
    const { gateway } = await createApp()
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    expect(gateway.explain('GET', '/orders/7').upstream).toBe('http://127.0.0.1:3001/7')
  })
})
