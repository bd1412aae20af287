import { createApp } from '@postern-example/http-virtual-endpoint'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { listen } from '../support/server.ts'

describe('http-virtual-endpoint', () => {
  afterEach(closeAll)

  it.each([
    ['GET', '/prices/apple', undefined, 200, { sku: 'apple', price: 2 }],
    ['GET', '/prices/kiwi', undefined, 404, { error: 'No price for kiwi' }],
    ['POST', '/quotes', { sku: 'pear', count: 4 }, 201, { sku: 'pear', count: 4, total: 12 }],
    ['POST', '/quotes', { sku: 'kiwi', count: 4 }, 422, { error: 'Send {"sku": "apple", "count": 1}' }],
    ['DELETE', '/anything/a/b', undefined, 200, { method: 'DELETE', rest: 'a/b' }],
    ['GET', '/elsewhere', undefined, 404, { error: 'Not Found' }],
  ])('%s %s %j answers %i', async (method, path, body, status, answer) => {
    const { url } = await listen(createApp())
    const reply = await send(url, path, body === undefined ? { method } : { method, body: JSON.stringify(body) })
    expect([reply.status, JSON.parse(reply.text)]).toEqual([status, answer])
  })

  it('answers 400 when the body is not JSON', async () => {
    const { url } = await listen(createApp())
    expect(await send(url, '/quotes', { method: 'POST', body: '{' })).toMatchObject({ status: 400 })
  })
})
