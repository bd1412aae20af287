import { createServer } from 'node:http'
import { createApp } from '@postern-example/tyk-classic-definition'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createUpstream } from '../../examples/tyk-classic-definition/src/upstream.ts'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { retargeted } from '../support/retargeted.ts'
import { listen } from '../support/server.ts'

async function start() {
  const upstream = await listen(createServer(createUpstream()))
  const { app, gateway } = await createApp(retargeted('tyk-classic-definition', upstream.url))
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const { url } = await listen(createServer(app))
  const { key } = await gateway.sessions.create({ alias: 'ann' })
  const ask = (path: string, headers = {}): Promise<Reply> =>
    send(url, path, { headers: { 'x-api-key': key, ...headers } })
  return { gateway, url, ask }
}

const told = ({ status, text }: Reply): unknown => [status, JSON.parse(text)]

describe('tyk-classic-definition', () => {
  afterEach(closeAll)

  it('leaves the routes of the service as they are', async () => {
    const { url } = await start()
    expect(await send(url, '/health')).toMatchObject({ status: 200, text: 'ok' })
  })

  it('tells the upstream who is calling, and not by which key', async () => {
    const { ask } = await start()
    const reply = await ask('/notes/')
    expect(told(reply)).toEqual([200, { notes: ['Buy milk', 'Call Ann'], for: 'ann' }])
    expect(reply.headers).toMatchObject({ 'x-count': '2' })
  })

  it('makes a search what the upstream understands, by two plugins of one endpoint', async () => {
    const { ask } = await start()
    expect(told(await ask('/notes/search?words=milk'))).toEqual([200, { notes: ['Buy milk'], for: 'ann' }])
    const error = 'Search for up to 40 letters: ?words=milk'
    expect(told(await ask('/notes/search'))).toEqual([400, { error }])
    expect(told(await ask(`/notes/search?words=${'m'.repeat(41)}`))).toEqual([400, { error }])
  })

  it('refuses who has no key, and robots before they are asked for one', async () => {
    const { url } = await start()
    expect(told(await send(url, '/notes/'))).toEqual([401, { error: 'Authorization field missing' }])
    expect(told(await send(url, '/notes/', { headers: { 'user-agent': 'BadBot/1' } }))).toEqual([
      403,
      { error: 'No robots' },
    ])
  })

  it('keeps records without keys', async () => {
    const { gateway, ask } = await start()
    await ask('/notes/')
    await vi.waitFor(() => expect(gateway.records.list()).toMatchObject([{ apiKey: '', alias: 'ann' }]))
  })

  it('runs as it is, with the document it has', async () => {
    const { gateway } = await createApp()
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const { upstream, hooks } = gateway.explain('GET', '/notes/search')
    expect(upstream).toBe('http://127.0.0.1:3001/search')
    expect(hooks.find(({ hook }) => hook === 'post')?.plugins).toEqual([])
  })
})
