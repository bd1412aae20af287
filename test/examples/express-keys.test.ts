import { createServer } from 'node:http'
import { createApp } from '@postern-example/express-keys'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { listen } from '../support/server.ts'

async function start(policy: 'free' | 'gold') {
  const { app, gateway } = createApp()
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const { url } = await listen(createServer(app))
  const { key } = await gateway.sessions.create({ applyPolicies: [policy] })
  const headers = { 'x-api-key': key }
  const read = (): Promise<Reply> => send(url, '/notes/7', { headers })
  const write = (): Promise<Reply> => send(url, '/notes', { method: 'POST', headers })
  return { url, gateway, key, read, write }
}

const told = ({ status, text }: Reply): unknown => [status, JSON.parse(text)]

describe('express-keys', () => {
  afterEach(closeAll)

  it('lets a key in and tells it where its limits stand', async () => {
    const { read } = await start('free')
    const reply = await read()
    expect(told(reply)).toEqual([200, { id: '7', text: 'Buy milk' }])
    expect(reply.headers).toMatchObject({
      'ratelimit-policy': '"key";q=2;w=60, "api";q=1000;w=1',
      ratelimit: expect.stringMatching(/^"key";r=1;t=\d+, "api";r=999;t=1$/),
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset': expect.stringMatching(/^\d{10}$/),
    })
    expect(reply.headers).not.toHaveProperty('retry-after')
  })

  it('refuses who has no key, and who has a wrong one', async () => {
    const { url } = await start('free')
    expect(told(await send(url, '/notes/7'))).toEqual([401, { error: 'Authorization field missing' }])
    const wrong = await send(url, '/notes/7', { headers: { 'x-api-key': 'wrong' } })
    expect(told(wrong)).toEqual([403, { error: 'Access to this API has been disallowed' }])
  })

  it('answers 429 above the rate, and says when to come back', async () => {
    const { read } = await start('free')
    expect([(await read()).status, (await read()).status]).toEqual([200, 200])
    const refused = await read()
    expect(told(refused)).toEqual([429, { error: 'Rate Limit Exceeded' }])
    expect(refused.headers).toMatchObject({
      'x-ratelimit-remaining': '0',
      'retry-after': expect.stringMatching(/^(60|[1-5]\d)$/),
    })
  })

  it('answers 403 above the quota', async () => {
    const { key, gateway, read, write } = await start('gold')
    expect([(await read()).status, (await read()).status, (await write()).status]).toEqual([200, 200, 201])
    const refused = await read()
    expect(told(refused)).toEqual([403, { error: 'Quota exceeded' }])
    expect(refused.headers['ratelimit']).toMatch(/^"quota";r=0;t=\d+, "api";r=\d+;t=1$/)
    expect(await gateway.sessions.quotas(key)).toMatchObject([{ apis: ['notes'], max: 3, remaining: 0 }])
    await gateway.sessions.resetQuota(key)
    expect((await read()).status).toBe(200)
  })

  it('refuses a policy what it does not allow, without counting it', async () => {
    const { read, write } = await start('free')
    expect(told(await write())).toEqual([403, { error: 'Access to this resource has been disallowed' }])
    expect((await read()).headers['x-ratelimit-remaining']).toBe('1')
  })

  it('refuses a revoked key from the next request on', async () => {
    const { gateway, key, read } = await start('gold')
    expect((await read()).status).toBe(200)
    await gateway.sessions.revoke(key)
    expect(told(await read())).toEqual([403, { error: 'Key is inactive, please renew' }])
  })
})
