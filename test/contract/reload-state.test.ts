import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiDefinitionInput, type AuthPlugin, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { pluginFolder } from '../support/plugin-folder.ts'
import { signalled } from '../support/promises.ts'
import { deafPort } from '../support/server.ts'
import { openWebSocket, webSocketUpstream } from '../support/websocket.ts'
import { listenTo, run, type Upstream, upstreamOfTest } from './harness.ts'
import { saying, told } from './reload-harness.ts'

afterEach(closeAll)

const other = (text: string): ApiDefinitionInput => saying(text, { name: 'other', listenPath: '/other' })

/** Answers when it is told to. */
async function waitingUpstream(): Promise<Upstream & { readonly arrived: Promise<void>; readonly go: () => void }> {
  const arrived = signalled()
  const gate = signalled()
  const upstream = await upstreamOfTest((req, res) => {
    if (req.url === '/health') {
      res.end()
      return
    }
    arrived.signal()
    void gate.promise.then(() => res.end('waited'))
  })
  return { ...upstream, arrived: arrived.promise, go: () => gate.signal() }
}

const healthChecks = ({ received }: Upstream): number => received.filter(({ url }) => url === '/health').length

describe('an API that stays as it was', () => {
  it('keeps its circuit breaker open; one that changes begins with a closed one', async () => {
    const port = await deafPort()
    const circuitBreaker = { minRequests: 2, openMs: 60_000 }
    const broken: ApiDefinitionInput = {
      name: 'a',
      listenPath: '/a',
      upstream: { url: `http://127.0.0.1:${port}`, circuitBreaker, retries: 0 },
    }
    const { gateway, url } = await run([broken, other('1')])
    gateway.on('upstreamError', () => undefined)
    for (let i = 0; i < 2; i += 1) expect(await told(url, '/a')).toMatch(/^502 /)
    expect(await told(url, '/a')).toMatch(/^503 /)
    await gateway.reload([broken, other('2')])
    expect([await told(url, '/other'), await told(url, '/a')]).toEqual(['200 2', expect.stringMatching(/^503 /)])
    await gateway.reload([{ ...broken, config: { changed: true } }, other('2')])
    expect(await told(url, '/a')).toMatch(/^502 /)
  })

  it('keeps leaving out the target that fails', async () => {
    const good = await upstreamOfTest((_req, res) => res.end('good'))
    const targets = [`http://127.0.0.1:${await deafPort()}`, good.url]
    const api: ApiDefinitionInput = {
      name: 'a',
      listenPath: '/a',
      upstream: { targets, ejectAfter: 1, ejectMs: 60_000 },
    }
    const { gateway, url } = await run([api, other('1')])
    const health = listenTo(gateway, 'targetHealth')
    gateway.on('upstreamError', () => undefined)
    for (let i = 0; i < 4; i += 1) await told(url, '/a')
    await gateway.reload([api, other('2')])
    for (let i = 0; i < 4; i += 1) expect(await told(url, '/a')).toBe('200 good')
    expect(health).toHaveLength(1)
  })

  it('counts connections and those who wait for one over all versions of the others', async () => {
    const upstream = await waitingUpstream()
    const api: ApiDefinitionInput = {
      name: 'a',
      listenPath: '/a',
      upstream: { url: upstream.url, maxConnections: 1, maxQueued: 1 },
    }
    const { gateway, url } = await run([api, other('1')])
    gateway.on('upstreamError', () => undefined)
    const first = told(url, '/a')
    await upstream.arrived
    await gateway.reload([api, other('2')])
    const second = told(url, '/a')
    await sleep(20)
    await gateway.reload([api, other('3')])
    expect(await told(url, '/a')).toMatch(/^503 /)
    upstream.go()
    expect([await first, await second]).toEqual(['200 waited', '200 waited'])
  })

  it('asks its auth plugin once for all who ask the same, before and after', async () => {
    const gate = signalled()
    let asked = 0
    const auth: AuthPlugin = async (request) => {
      asked += 1
      await gate.promise
      return { metadata: { token: request.headers.get('x-id')! } }
    }
    const api: ApiDefinitionInput = {
      name: 'a',
      listenPath: '/a',
      hooks: { auth, post: [() => respond(200, 'in')] },
      authentication: { idExtractor: { source: 'header', mode: 'value', header: 'x-id' } },
    }
    const { gateway, url } = await run([api, other('1')])
    const ask = (): Promise<string> => told(url, '/a', { 'x-id': 'ann' })
    const before = ask()
    await expect.poll(() => asked).toBe(1)
    await gateway.reload([api, other('2')])
    const after = ask()
    await sleep(20)
    gate.signal()
    expect([await before, await after, asked]).toEqual(['200 in', '200 in', 1])
  })
})

describe('keys, sessions and counters', () => {
  it('go on in the new version', async () => {
    const api = (text: string): ApiDefinitionInput =>
      saying('', { hooks: { post: [() => respond(200, text)] }, authentication: { token: true } })
    const limited = (text: string): ApiDefinitionInput => ({
      ...other(text),
      limits: { rate: 2, per: 60 },
      hooks: { post: [() => respond(200, text)] },
    })
    const { gateway, url } = await run([api('one'), limited('one')])
    const { key } = await gateway.sessions.create({ quotaMax: 2, quotaRenewalRate: 60 })
    const ask = (): Promise<string> => told(url, '/a', { authorization: key })
    expect([await ask(), await told(url, '/other')]).toEqual(['200 one', '200 one'])
    await gateway.reload([api('two'), limited('two')])
    expect([await ask(), await told(url, '/other')]).toEqual(['200 two', '200 two'])
    await gateway.reload([api('three'), limited('three')])
    expect([await ask(), await told(url, '/other')]).toEqual([
      expect.stringMatching(/^403 .*Quota exceeded/s),
      expect.stringMatching(/^429 /),
    ])
    expect((await gateway.sessions.quotas(key))[0]!.remaining).toBe(0)
  })

  it('that are forgotten stay so, also where an older version is just asking who it is', async () => {
    const gate = signalled()
    const asked: string[] = []
    const api = (version: string): ApiDefinitionInput => ({
      name: 'a',
      listenPath: '/a',
      hooks: {
        auth: {
          name: 'who',
          plugin: async (request) => {
            asked.push(version)
            if (asked.length === 1) await gate.promise
            return { metadata: { token: request.headers.get('x-id')! }, idExtractorDeadline: Date.now() / 1000 + 60 }
          },
        },
        post: [() => respond(200, version)],
      },
      authentication: { idExtractor: { source: 'header', mode: 'value', header: 'x-id' } },
    })
    const { gateway, url } = await run(api('one'))
    const ask = (): Promise<string> => told(url, '/a', { 'x-id': 'ann' })
    const before = ask()
    await expect.poll(() => asked).toEqual(['one'])
    await gateway.reload(api('two'))
    await gateway.sessions.forget('a', 'ann')
    gate.signal()
    expect(await before).toBe('200 one')
    expect([await ask(), await ask()]).toEqual(['200 two', '200 two'])
    expect(asked).toEqual(['one', 'two'])
  })
})

describe('an API that is removed', () => {
  it('ends its health checks and its connections after its last request, and not before', async () => {
    const upstream = await waitingUpstream()
    const health = { path: '/health', intervalMs: 10 }
    const api: ApiDefinitionInput = { name: 'a', listenPath: '/a', upstream: { url: upstream.url, health } }
    const { gateway, url } = await run([api, other('1')])
    const last = told(url, '/a')
    await upstream.arrived
    await gateway.reload(other('2'))
    const atReload = healthChecks(upstream)
    await expect.poll(() => healthChecks(upstream)).toBeGreaterThan(atReload)
    upstream.go()
    expect(await last).toBe('200 waited')
    await expect.poll(() => upstream.connections()).toBe(0)
    const after = healthChecks(upstream)
    await sleep(60)
    expect(healthChecks(upstream)).toBe(after)
  })

  it('leaves connections open that other APIs use', async () => {
    const upstream = await upstreamOfTest()
    const api = (name: string): ApiDefinitionInput => ({ name, listenPath: `/${name}`, upstream: upstream.url })
    const { gateway, url } = await run([api('a'), api('b')])
    await told(url, '/a')
    expect(upstream.connections()).toBe(1)
    await gateway.reload(api('b'))
    await told(url, '/b')
    await gateway.reload({ ...api('b'), config: { changed: true } })
    await told(url, '/b')
    expect([upstream.connections(), upstream.opened()]).toEqual([1, 1])
    await gateway.reload(other('2'))
    await expect.poll(() => upstream.connections()).toBe(0)
  })

  it('does not wait for a WebSocket of another one', async () => {
    const log: string[] = []
    Object.assign(globalThis, { posternTunnelLog: log })
    const pluginsDirectory = pluginFolder({
      'a.mjs': `export const close = () => void globalThis.posternTunnelLog.push('closed')
        export const f = () => undefined`,
    })
    const [sockets, upstream] = [await webSocketUpstream(), await waitingUpstream()]
    const chat: ApiDefinitionInput = { name: 'chat', listenPath: '/chat', upstream: sockets.url }
    const removed: ApiDefinitionInput = {
      name: 'removed',
      listenPath: '/removed',
      upstream: { url: upstream.url, health: { path: '/health', intervalMs: 10 } },
      hooks: { pre: [{ path: 'a.mjs', functionName: 'f' }] },
    }
    const { gateway, server, url } = await run([chat, removed], { pluginsDirectory })
    server.on('upgrade', gateway.upgrade)
    await gateway.ready()
    const webSocket = await openWebSocket(`${url}/chat`)
    await gateway.reload(chat)
    await expect.poll(() => log).toEqual(['closed'])
    await expect.poll(() => upstream.connections()).toBe(0)
    const after = healthChecks(upstream)
    await sleep(60)
    expect(healthChecks(upstream)).toBe(after)
    expect(webSocket.readyState).toBe(webSocket.OPEN)
    webSocket.close()
  })
})

describe('a version that is never taken over', () => {
  it('asks no upstream how it is', async () => {
    const upstream = await waitingUpstream()
    const gate = signalled()
    Object.assign(globalThis, { posternNeverGate: gate.promise })
    const pluginsDirectory = pluginFolder({
      'a.mjs':
        'export const init = () => globalThis.posternNeverGate.then(() => { throw new Error("no") })\nexport const f = () => undefined',
    })
    const { gateway } = await run(other('1'), { pluginsDirectory })
    const reload = gateway.reload([
      { name: 'a', listenPath: '/a', upstream: { url: upstream.url, health: { path: '/health', intervalMs: 5 } } },
      { name: 'b', listenPath: '/b', hooks: { pre: [{ path: 'a.mjs', functionName: 'f' }] } },
    ])
    await sleep(50)
    gate.signal()
    await expect(reload).rejects.toThrow('Error: no')
    await sleep(20)
    expect(upstream.received).toEqual([])
  })
})

describe('a request that is over', () => {
  it('makes no calls to a version that has ended', async () => {
    const call = signalled<() => Promise<string>>()
    const { gateway, url } = await run([
      saying('', {
        hooks: {
          pre: [
            (_request, context) => {
              call.signal(() => context.call('other', '/').then((answer) => answer.text(), String))
              return respond(200, 'one')
            },
          ],
        },
      }),
      other('1'),
    ])
    await told(url, '/a')
    await gateway.reload(other('2'))
    expect(await (await call.promise)()).toContain('The request is over')
  })
})
