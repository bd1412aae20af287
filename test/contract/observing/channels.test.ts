import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineApi, deny, type PrePlugin, type RequestTrace, respond, type UpstreamTrace } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../../support/cleanup.ts'
import { tunnelled, webSocketUpstream } from '../../support/websocket.ts'
import { Connection, run, upstreamOfTest } from '../harness.ts'
import { observe } from './observe.ts'

afterEach(closeAll)

const texts = (heard: ReturnType<typeof observe>): string[] => heard.map(({ text }) => text)

/** The request channel tells the end when the answer is out, which a client may know first. */
async function over(heard: ReturnType<typeof observe>, requests = 1): Promise<void> {
  await expect.poll(() => heard.filter(({ text }) => text.startsWith('asyncEnd request')).length).toBe(requests)
}

describe('a request that passes every hook', () => {
  it('is told of from its start to the end of its answer, each hook and plugin within', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run(
      defineApi({
        name: 'orders',
        upstream: upstream.url,
        hooks: {
          pre: [
            { plugin: () => undefined, name: 'first' },
            { plugin: () => sleep(1), name: 'second' },
          ],
          auth: { plugin: () => ({ metadata: { token: 'ann' } }), name: 'key' },
          postAuth: [{ plugin: () => undefined, name: 'known' }],
          post: [{ plugin: () => undefined, name: 'last' }],
          response: [{ plugin: () => sleep(1), name: 'stamp' }],
          analytics: [{ plugin: () => false, name: 'drop' }],
        },
        endpoints: { 'GET /:id': [{ plugin: () => undefined, name: 'look' }] },
      }),
    )
    const heard = observe()
    await fetch(`${url}/7`)
    await expect.poll(() => texts(heard).at(-1)).toBe('end hook analytics dropped')
    expect(texts(heard)).toEqual([
      'start request',
      'start hook pre',
      'start plugin pre first',
      'end plugin pre first passed',
      'start plugin pre second',
      'asyncEnd plugin pre second passed',
      'asyncEnd hook pre passed',
      'start hook auth',
      'start plugin auth key',
      'end plugin auth key granted',
      'end hook auth passed',
      'start hook postAuth',
      'start plugin postAuth known',
      'end plugin postAuth known passed',
      'end hook postAuth passed',
      'start hook endpoint GET /:id',
      'start plugin endpoint look',
      'end plugin endpoint look passed',
      'end hook endpoint GET /:id passed',
      'start hook post',
      'start plugin post last',
      'end plugin post last passed',
      'end hook post passed',
      'start upstream',
      'asyncEnd upstream 200',
      'start hook response',
      'start plugin response stamp',
      'asyncEnd plugin response stamp passed',
      'asyncEnd hook response passed',
      'asyncEnd request 200',
      'start hook analytics',
      'start plugin analytics drop',
      'end plugin analytics drop dropped',
      'end hook analytics dropped',
    ])
    expect(new Set(heard.map(({ trace }) => trace.exchange)).size).toBe(1)
    for (const { trace } of heard) expect(trace.durationMs).toBeGreaterThanOrEqual(0)
  })

  it('has no hook where there are no plugins, and no endpoint where none matches', async () => {
    const upstream = await upstreamOfTest()
    const endpoints = { 'GET /other': [() => undefined] }
    const { url } = await run({ name: 'orders', upstream: upstream.url, endpoints })
    const heard = observe()
    await fetch(`${url}/7`)
    await over(heard)
    expect(texts(heard)).toEqual(['start request', 'start upstream', 'asyncEnd upstream 200', 'asyncEnd request 200'])
  })

  it('is told of on the one channel somebody listens to', async () => {
    const upstream = await upstreamOfTest()
    const hooks = { pre: [{ plugin: () => undefined, name: 'first' }] }
    const { url } = await run({ name: 'orders', upstream: upstream.url, hooks })
    const heard = observe(['plugin'])
    await fetch(url)
    expect(texts(heard)).toEqual(['start plugin pre first', 'end plugin pre first passed'])
  })
})

describe('what a plugin decides', () => {
  const ends: readonly [string, PrePlugin, string][] = [
    ['nothing', () => undefined, 'passed'],
    ['an answer', () => respond(200, 'hello'), 'answered'],
    ['an answer of 404 that is no denial', () => respond(404, 'none'), 'answered'],
    ['a denial', () => deny(403, 'no'), 'denied'],
    ['a thrown error that is meant for the client', () => Promise.reject(exposed()), 'denied'],
    ['a thrown error', () => Promise.reject(new Error('broken')), 'failed'],
    ['what its hook may not return', (() => 5) as unknown as PrePlugin, 'failed'],
  ]

  it.each(ends)('is told of: %s', async (_, plugin, outcome) => {
    const upstream = await upstreamOfTest()
    const { gateway, url } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: { pre: [{ plugin, name: 'it' }] },
    })
    gateway.on('pluginError', () => undefined)
    const heard = observe(['plugin', 'hook'])
    await fetch(url)
    const [inPlugin, inHook] = ['plugin', 'hook'].map((kind) => heard.findLast((one) => one.kind === kind)?.trace)
    expect(inPlugin).toMatchObject({ hook: 'pre', plugin: 'it', outcome })
    expect(inHook).toMatchObject({ outcome: outcome === 'denied' ? 'answered' : outcome })
  })

  it('is the error of a plugin that failed, right before its end', async () => {
    const broken = new Error('broken')
    const { gateway, url } = await run({
      name: 'orders',
      hooks: {
        pre: [
          () => {
            throw broken
          },
        ],
      },
    })
    gateway.on('pluginError', () => undefined)
    const heard = observe(['plugin'])
    await fetch(url)
    expect(heard.map(({ event }) => event)).toEqual(['start', 'error', 'end'])
    expect(heard[1]?.trace.error).toBe(broken)
  })

  it('is one for all who share it: only the request that asked has a plugin call', async () => {
    let asked = 0
    const upstream = await upstreamOfTest()
    const { url } = await run({
      name: 'orders',
      upstream: upstream.url,
      authentication: { idExtractor: { source: 'header', mode: 'value', header: 'x-key' } },
      hooks: {
        auth: async () => {
          asked += 1
          await sleep(50)
          return { metadata: { token: 'ann' }, idExtractorDeadline: Math.floor(Date.now() / 1000) + 60 }
        },
      },
    })
    const heard = observe(['plugin', 'hook'])
    await Promise.all([1, 2, 3].map(() => fetch(url, { headers: { 'x-key': 'ann' } })))
    const ended = texts(heard).filter((text) => !text.startsWith('start'))
    expect(ended.filter((text) => text.includes('plugin'))).toHaveLength(asked)
    expect(ended.filter((text) => text.includes('hook auth passed'))).toHaveLength(3)
  })
})

describe('an auth plugin', () => {
  it.each([
    ['that returns nothing', () => undefined],
    ['whose session names nobody', () => ({})],
  ])('%s has denied', async (_, auth) => {
    const { gateway, url } = await run(
      defineApi({ name: 'orders', hooks: { auth: { plugin: auth as never, name: 'key' } } }),
    )
    for (const event of ['pluginError', 'authFailure'] as const) gateway.on(event, () => undefined)
    const heard = observe(['plugin', 'hook', 'request'])
    await fetch(url)
    await over(heard)
    expect(texts(heard).slice(-3)).toEqual([
      'end plugin auth key denied',
      'end hook auth answered',
      'asyncEnd request 403 PSTN_SESSION_MISSING',
    ])
  })
})

describe('a request that the gateway ends', () => {
  it('is told of with why: no key', async () => {
    const { url } = await run({ name: 'orders', authentication: { token: true } })
    const heard = observe()
    await fetch(url)
    await over(heard)
    expect(texts(heard)).toEqual(['start request', 'asyncEnd request 401 PSTN_CREDENTIAL_MISSING'])
  })

  it('is told of with why: a head that is refused', async () => {
    const { port } = await run({ name: 'orders' })
    const heard = observe()
    const connection = await Connection.open(port)
    await connection.request('GET', '/', ['CDN-Loop: postern, postern, postern, postern, postern, postern, postern'])
    connection.hangUp()
    await over(heard)
    expect(heard.at(-1)?.trace).toMatchObject({ status: expect.any(Number), code: expect.stringMatching(/^PSTN_/) })
  })

  it('is told of when its client hangs up', async () => {
    const { port } = await run({ name: 'orders', hooks: { pre: [() => sleep(200)] } })
    const heard = observe(['request'])
    const connection = await Connection.open(port)
    connection.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    await expect.poll(() => heard.length).toBe(1)
    connection.hangUp()
    await over(heard)
    expect(heard.at(-1)?.trace).toMatchObject({ status: 499, cut: true })
  })
})

describe('an upstream', () => {
  it('is told of with where the request went and how often it was sent', async () => {
    const upstream = await upstreamOfTest()
    const dead = 'http://127.0.0.1:9'
    const { url } = await run({
      name: 'orders',
      upstream: { targets: [{ url: dead }, { url: upstream.url }], retries: 1 },
    })
    const heard = observe(['upstream'])
    await fetch(`${url}/7`)
    await fetch(`${url}/7`)
    const retried = heard.map(({ trace }) => trace as UpstreamTrace).find(({ attempts }) => attempts === 2)
    expect(retried).toMatchObject({ target: upstream.url, status: 200, host: false, url: '/7' })
  })

  it('is told of with the error when it cannot be reached', async () => {
    const { gateway, url } = await run({ name: 'orders', upstream: 'http://127.0.0.1:9' })
    gateway.on('upstreamError', () => undefined)
    const heard = observe(['upstream'])
    await fetch(url)
    expect(heard.map(({ event }) => event)).toEqual(['start', 'error', 'asyncEnd'])
    expect(heard.at(-1)?.trace).toMatchObject({
      target: 'http://127.0.0.1:9',
      error: { code: 'PSTN_UPSTREAM_UNREACHABLE' },
    })
  })

  it('is sent what is set on the request when it is told of', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', upstream: upstream.url })
    const stamp = (message: unknown): void => (message as UpstreamTrace).request.headers.set('x-trace', '1')
    subscribe('tracing:postern:upstream:start', stamp)
    await fetch(url)
    unsubscribe('tracing:postern:upstream:start', stamp)
    expect(upstream.received[0]?.headers['x-trace']).toBe('1')
  })
})

describe('the id of a request', () => {
  const idOf = async (headers: Record<string, string>): Promise<string> => {
    const { url } = await run({ name: 'orders', hooks: { pre: [(request) => request.headers.delete('x-request-id')] } })
    const heard = observe(['request'])
    await fetch(url, { headers })
    return (heard[0]!.trace as RequestTrace).requestId
  }

  it('is what the client calls it, where that is one plain token', async () => {
    expect(await idOf({ 'x-request-id': 'abc-123' })).toBe('abc-123')
  })

  it.each(['two words', 'x'.repeat(129), '<script>', 'é'])('is a new one for a client that says %j', async (said) => {
    expect(await idOf({ 'x-request-id': said })).toMatch(/^[\da-f-]{36}$/)
  })

  it('is the same for everybody who asks, and for the calls of its plugins', async () => {
    const ids: string[] = []
    const note: PrePlugin = (_request, { requestId }) => void ids.push(requestId, requestId)
    const { url } = await run([
      {
        name: 'outer',
        listenPath: '/outer/',
        hooks: { pre: [note, (_request, { call }) => call('inner', '/')] },
      },
      { name: 'inner', listenPath: '/inner/', hooks: { pre: [note, () => respond(200, 'hello')] } },
    ])
    const heard = observe(['request'])
    await (await fetch(`${url}/outer/`)).text()
    await over(heard, 2)
    expect(new Set(ids).size).toBe(1)
    const [outer, inner] = heard.map(({ trace }) => trace as RequestTrace)
    expect(inner?.parent).toBe(outer?.exchange)
    expect(outer?.parent).toBeUndefined()
    expect(inner?.requestId).toBe(ids[0])
  })
})

describe('the target of a request', () => {
  it('is told of as the client sent it, without its secrets', async () => {
    const { url } = await run({
      name: 'orders',
      listenPath: '/orders/',
      authentication: { token: { query: 'key' } },
      hooks: { pre: [(request) => void (request.path = '/changed')] },
    })
    const heard = observe(['request'])
    await fetch(`${url}/orders/7?key=SECRET&full=1`)
    expect((heard[0]!.trace as RequestTrace).url).toBe('/orders/7?key=***&full=1')
  })
})

describe('a WebSocket', () => {
  it('is one request until it is closed', async () => {
    const upstream = await webSocketUpstream()
    const { server, gateway, port } = await run({ name: 'orders', upstream: upstream.url })
    server.on('upgrade', gateway.upgrade)
    const heard = observe()
    const client = await tunnelled(port)
    expect(texts(heard)).toEqual(['start request', 'start upstream', 'asyncEnd upstream 101'])
    client.socket.destroy()
    await over(heard)
    expect(texts(heard).at(-1)).toBe('asyncEnd request 101')
  })
})

function exposed(): Error {
  return Object.assign(new Error('too much'), { status: 429, expose: true })
}
