import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { allWarningsDuring } from '../support/warnings.ts'
import { handshakeText, switching, WEBSOCKET_KEY, webSocketUpstream } from '../support/websocket.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upgrades } from './catalogue/m.ts'
import { eventually } from './eventually.ts'

cleanUpAfterAttacks()

const UPGRADE = { upgrade: true } as const
const INVALID = 'Malformed upgrade request'
const REQUIRED = 'Upgrade required'

attack(upgrades, 'M02', (mount) => {
  const KEY = `Sec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n`

  it('is answered as any request, and the connection is closed', async () => {
    const siege = await besiege(mount, { listenPath: '/api/', authentication: { token: true } }, UPGRADE)
    const { sessions } = siege.gateway
    const { key } = await sessions.create()
    const { key: revoked } = await sessions.create()
    await sessions.revoke(revoked)
    const { key: limited } = await sessions.create({
      accessRights: { a: { allowedUrls: [{ url: '/open', methods: ['GET'] }] } },
    })
    const auth = `Authorization: ${key}\r\n`
    const good = handshakeText('/api/x', auth)
    const cases: readonly (readonly [what: string, request: string, status: number, message: string])[] = [
      ['no key', handshakeText('/api/x'), 401, 'Authorization field missing'],
      [
        'a key nobody made',
        handshakeText('/api/x', 'Authorization: x\r\n'),
        403,
        'Access to this API has been disallowed',
      ],
      ['revoked', handshakeText('/api/x', `Authorization: ${revoked}\r\n`), 403, 'Key is inactive, please renew'],
      [
        'blocked path',
        handshakeText('/api/x', `Authorization: ${limited}\r\n`),
        403,
        'Access to this resource has been disallowed',
      ],
      ['unknown API', handshakeText('/nobody', auth), 404, 'Not Found'],
      ['POST', good.replace('GET', 'POST'), 400, INVALID],
      [
        'POST with a body',
        good.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 3\r\n\r\nabc'),
        400,
        INVALID,
      ],
      ['HTTP/1.0', good.replace('HTTP/1.1', 'HTTP/1.0'), 400, INVALID],
      ['an unknown protocol', good.replace('Upgrade: websocket', 'Upgrade: irc'), 400, INVALID],
      ['two protocols', good.replace('Upgrade: websocket', 'Upgrade: websocket, h2c'), 400, INVALID],
      ['two Upgrade lines', handshakeText('/api/x', `${auth}Upgrade: websocket\r\n`), 400, INVALID],
      ['no key field', handshakeText('/api/x', auth, ['Sec-WebSocket-Key']), 400, INVALID],
      ['two keys', handshakeText('/api/x', auth + KEY), 400, INVALID],
      ['a key of 15 bytes', good.replace(WEBSOCKET_KEY, 'dGhlIHNhbXBsZSBub25j'), 400, INVALID],
      ['an empty key', good.replace(WEBSOCKET_KEY, ''), 400, INVALID],
      ['a key that is no base64', good.replace(WEBSOCKET_KEY, 'x'.repeat(24)), 400, INVALID],
      ['a body', handshakeText('/api/x', `${auth}Content-Length: 3\r\n`) + 'abc', 400, INVALID],
      ['a chunked body', handshakeText('/api/x', `${auth}Transfer-Encoding: chunked\r\n`) + '0\r\n\r\n', 400, INVALID],
      ['version 12', good.replace('Version: 13', 'Version: 12'), 426, REQUIRED],
      ['two versions', good.replace('Version: 13', 'Version: 13, 8'), 426, REQUIRED],
      ['no version', handshakeText('/api/x', auth, ['Sec-WebSocket-Version']), 426, REQUIRED],
      ['two Host lines', handshakeText('/api/x', `${auth}Host: evil\r\n`), 400, 'Malformed request'],
      [
        'two lengths',
        handshakeText('/api/x', `${auth}Content-Length: 0\r\nContent-Length: 1\r\n`),
        400,
        'Malformed request',
      ],
    ]
    for (const [what, request, status, message] of cases) {
      const client = new RawClient(siege.port)
      client.write(request)
      const answer = await client.answer()
      expect([what, answer.status]).toEqual([what, status])
      expect([what, answer.body]).toEqual([what, envelope(message)])
      const connection = valuesOf(answer.lines, 'connection').join()
      expect([what, connection]).toEqual([what, status === 426 ? 'close, Upgrade' : 'close'])
      expect([what, valuesOf(answer.lines, 'sec-websocket-version')]).toEqual([what, status === 426 ? ['13'] : []])
      expect(valuesOf(answer.lines, 'www-authenticate')).toEqual(status === 401 ? ['Bearer'] : [])
      client.write('GET /api/smuggled HTTP/1.1\r\nHost: a\r\n\r\n')
      client.socket.end()
      expect([what, await client.closed, client.received]).toEqual([what, 'end', ''])
    }
    expect(siege.upstream.seen).toEqual([])
    // One had no API to be recorded for, one was no HTTP to the server in front already.
    expect(siege.gateway.records.list()).toHaveLength(cases.length - 2)
  })

  it.each([
    ['GET', 'h2c'],
    ['HEAD', 'h2c'],
    ['DELETE', 'TLS/1.2'],
    ['OPTIONS', 'TLS/1.2, h2c'],
  ])('%s that offers %s, as clients of Java do, is an ordinary request', async (method, protocol) => {
    const siege = await besiege(mount, { authentication: { token: true } }, UPGRADE)
    const { key } = await siege.gateway.sessions.create()
    const request = (field: string): string =>
      `${method} /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n${field}\r\n`
    const refused = await rawExchange(siege.port, request(''), method)
    const { status, body } = await rawExchange(siege.port, request(`Authorization: ${key}\r\n`), method)
    expect([refused.status, status, body]).toEqual([401, 200, method === 'HEAD' ? '' : `${method} /x`])
    const { lines } = siege.upstream.seen[0]!
    expect([valuesOf(lines, 'upgrade'), valuesOf(lines, 'http2-settings')]).toEqual([[], []])
    expect(valuesOf(lines, 'connection').join()).not.toMatch(/upgrade/i)
    expect(siege.upstream.seen).toHaveLength(1)
    expect(siege.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([401, 200])
  })

  it.each(['GET', 'HEAD'])('%s that offers h2c is an ordinary request to the host application, too', async (method) => {
    const { port } = await mount(
      { name: 'a', listenPath: '/api/', hooks: { pre: [({ headers }) => headers.set('x-plugin', 'seen')] } },
      {
        upgrade: true,
        route: ({ url, headers }) => ({
          body: `${String(url)} ${String(headers['x-plugin'])} ${String(headers['upgrade'])} ${'x'.repeat(200_000)}`,
        }),
      },
    )
    const client = new RawClient(port)
    const offer = 'Connection: Upgrade, keep-alive, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
    client.write(`${method} /health HTTP/1.1\r\nHost: a\r\n${offer}\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\n`)
    const first = await client.answer(method)
    const expected = `/health undefined undefined ${'x'.repeat(200_000)}`
    expect([first.status, first.body === (method === 'HEAD' ? '' : expected)]).toEqual([200, true])
    expect((await client.answer()).body).toMatch(/^\/behind undefined /)
    client.write(`${method} /api/orders HTTP/1.1\r\nHost: a\r\n${offer}\r\n`)
    const guarded = await client.answer(method)
    expect([guarded.status, guarded.body.slice(0, 16)]).toEqual([200, method === 'HEAD' ? '' : '/api/orders seen'])
    client.write(`${method} /health HTTP/1.1\r\n${offer}\r\n`)
    expect((await client.answer(method)).status).toBe(400)
  })

  it('an offer whose head Node has cut short is no request at all', async () => {
    const { port } = await mount(
      { name: 'a', listenPath: '/api/' },
      { upgrade: true, route: ({ url }) => ({ body: url ?? '' }) },
    )
    const client = new RawClient(port)
    const behind = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
    client.write(
      `POST /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n${'a: b\r\n'.repeat(950)}${'Upgrade: h2c\r\n'.repeat(100)}Content-Length: ${behind.length}\r\n\r\n${behind}`,
    )
    await client.closed
    expect(client.received).not.toContain('smuggled')
    expect(client.received).not.toMatch(/^HTTP\/1.1 2/)
  })

  it('fifty offers on one connection leave nothing on it', async () => {
    const warnings = await allWarningsDuring(async () => {
      const { port } = await mount({ name: 'a' }, { upgrade: true, route: () => ({ body: 'ok' }) })
      const client = new RawClient(port)
      for (let i = 0; i < 50; i += 1) {
        client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
        expect((await client.answer()).body).toBe('ok')
      }
    })
    expect(warnings).toEqual([])
  })

  it('asking for an upgrade without Connection is an ordinary GET', async () => {
    const siege = await besiege(mount, {}, UPGRADE)
    const { status, body } = await rawExchange(siege.port, handshakeText('/x', '', ['Connection']))
    expect([status, body]).toEqual([200, 'GET /x'])
    const { lines } = siege.upstream.seen[0]!
    expect([valuesOf(lines, 'upgrade'), valuesOf(lines, 'connection')]).toEqual([[], ['keep-alive']])
    await siege.unharmed()
  })

  it('a server that takes no upgrades answers an ordinary GET', async () => {
    const siege = await besiege(mount)
    const { status, body } = await rawExchange(siege.port, handshakeText('/x'))
    expect([status, body]).toEqual([200, 'GET /x'])
    await siege.unharmed()
  })
})

attack(upgrades, 'M09', (mount) => {
  const TIMES = 40

  it('clients that reset at every step leave nothing behind', async () => {
    const upstream = await webSocketUpstream()
    const silent = await listenRaw((socket) => void socket.resume())
    const slow = (): Promise<void> => sleep(100)
    const { port, gateway, server } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          pre: [({ path }) => (path === '/plugin' ? slow() : undefined)],
          response: [(_, { request }) => (request.path === '/answer' ? slow() : undefined)],
        },
        endpoints: { 'GET /silent': [(request) => void (request.upstream = silent.url)] },
      },
      UPGRADE,
    )
    const reset = async (text: string, waitMs: number): Promise<void> => {
      const client = new RawClient(port)
      client.write(text)
      // What is answered is waited for; the rest is cut in the middle.
      if (text.includes('/tunnel')) await client.answer()
      else await sleep(waitMs)
      client.socket.resetAndDestroy()
      await client.closed
    }
    const steps: readonly (readonly [text: string, waitMs: number])[] = [
      [handshakeText('/head').slice(0, 60), 2],
      [handshakeText('/'), 0],
      [handshakeText('/plugin'), 15],
      [handshakeText('/silent'), 15],
      [handshakeText('/answer'), 10],
      [handshakeText('/tunnel'), 0],
    ]
    for (const [text, waitMs] of steps) await Promise.all(Array.from({ length: TIMES }, () => reset(text, waitMs)))
    await eventually(async () => {
      expect(await connectionsOf(server)).toBe(0)
      expect(upstream.open()).toBe(0)
      expect(await connectionsOf(silent.server)).toBe(0)
    })
    const paths = gateway.records.list().map(({ path, responseCode }) => `${path} ${responseCode}`)
    const count = (record: string): number => paths.filter((path) => path.startsWith(record)).length
    // A connection that is reset at once may be gone before its head was read: then it has made no request.
    expect(count('/ ') + TIMES * 4).toBe(paths.length)
    expect([count('/plugin 499'), count('/silent 499'), count('/answer 499'), count('/tunnel 101')]).toEqual([
      TIMES,
      TIMES,
      TIMES,
      TIMES,
    ])
    const started = performance.now()
    await gateway.close({ timeoutMs: 5_000 })
    expect(performance.now() - started).toBeLessThan(4_000)
  })

  it('upstreams that reset at every step leave nothing behind', async () => {
    const steps = ['accept', 'head', 'half', 'switched']
    const upstream = await listenRaw((socket) => {
      socket.once('data', (chunk) => {
        const step = /GET \/(\w+)/.exec(chunk.toString())?.[1]
        if (step === 'half') socket.write('HTTP/1.1 101 Switch')
        if (step === 'switched') socket.write(switching())
        setTimeout(() => socket.resetAndDestroy(), step === 'head' ? 0 : 5)
      })
    })
    const gone = await listenRaw((socket) => socket.resetAndDestroy())
    const { port, gateway, server } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        endpoints: { 'GET /accept': [(request) => void (request.upstream = gone.url)] },
      },
      UPGRADE,
    )
    for (const step of steps) {
      const answers = Array.from({ length: TIMES }, async () => {
        const client = new RawClient(port)
        client.write(handshakeText(`/${step}`))
        const { status } = await client.answer()
        await client.closed
        return status
      })
      expect([step, new Set(await Promise.all(answers))]).toEqual([step, new Set([step === 'switched' ? 101 : 502])])
    }
    await eventually(async () => expect(await connectionsOf(server)).toBe(0))
    expect(gateway.records.list()).toHaveLength(steps.length * TIMES)
  })
})

function connectionsOf(server: {
  getConnections(done: (error: Error | null, count: number) => void): unknown
}): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}
