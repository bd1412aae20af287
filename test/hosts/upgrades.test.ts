import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '@postern/core'
import { deny, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { closeAll } from '../support/cleanup.ts'
import { frameworks, hosts, type Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { allWarningsDuring } from '../support/warnings.ts'
import { frame, handshakeText, messageOf, openWebSocket, tunnelled, webSocketUpstream } from '../support/websocket.ts'

afterEach(closeAll)

const webSockets = new WebSocketServer({ noServer: true })

/** The host application's own WebSockets: they send back what they get, behind the name of the place. */
function applicationUpgrades(req: IncomingMessage, socket: Duplex, head: Buffer): void {
  webSockets.handleUpgrade(req, socket, head, (webSocket) => {
    const field = String(req.headers['x-plugin'])
    webSocket.on('message', (data: Buffer) => webSocket.send(`${req.url ?? ''} ${field} ${data.toString()}`))
  })
}

/** One listener: the gateway, then the host application. */
const withNext =
  (gateway: Gateway): Gateway['upgrade'] =>
  (req, socket, head) =>
    gateway.upgrade(req, socket, head, { next: () => applicationUpgrades(req, socket, head) })

describe.each(hosts)('%s', (_, mount) => {
  it('hands an upgrade to the host application, with what plugins changed', async () => {
    const { url, port, gateway } = await mount(
      {
        name: 'a',
        listenPath: '/a/',
        hooks: {
          pre: [
            (request) => {
              if (request.path === '/guarded') return deny(401, 'No')
              request.headers.set('x-plugin', 'set')
              request.query.set('by', 'plugin')
              return undefined
            },
          ],
          response: [() => undefined],
        },
      },
      { upgrade: withNext },
    )
    const webSocket = await openWebSocket(`${url}/a//chat`)
    webSocket.send('hello')
    expect(await messageOf(webSocket)).toBe('/a/chat?by=plugin set hello')
    expect((await rawExchange(port, handshakeText('/a/guarded'))).status).toBe(401)
    const outside = await openWebSocket(`${url}/elsewhere`)
    outside.send('hello')
    expect(await messageOf(outside)).toBe('/elsewhere undefined hello')
    webSocket.close()
    outside.close()
    await Promise.all([once(webSocket, 'close'), once(outside, 'close')])
    await sleep(10)
    expect(gateway.records.list().map(({ path, responseCode }) => [path, responseCode])).toEqual([
      ['/guarded', 401],
      ['/chat', 101],
    ])
  })

  it('hands over the first bytes too, and cuts what it handed over when it is closed', async () => {
    const { port, gateway } = await mount(
      { name: 'a', hooks: { pre: [async (request) => request.headers.set('x-plugin', 'set')] } },
      {
        upgrade: (own) => (req, socket, head) =>
          own.upgrade(req, socket, head, {
            next: () => {
              socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
              socket.write(head)
              socket.pipe(socket)
            },
          }),
      },
    )
    const client = new RawClient(port)
    client.write(`${handshakeText()}first`)
    await client.until('\r\n\r\n')
    expect(await client.bytes(5)).toBe('first')
    client.write('second')
    expect(await client.bytes(6)).toBe('second')
    await gateway.close({ timeoutMs: 20 })
    await client.closed
    expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([101])
  })

  it('without somebody behind it, answers 404 for an API without an upstream, and for none', async () => {
    const { port, gateway } = await mount({ name: 'a', listenPath: '/a/' }, { upgrade: true })
    const answers = [await rawExchange(port, handshakeText('/a/x')), await rawExchange(port, handshakeText('/b'))]
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [404, '{\n    "error": "Not Found"\n}'],
      [404, '{\n    "error": "Not Found"\n}'],
    ])
    expect(gateway.records.list()).toHaveLength(1)
  })

  it('leaves other listeners what is theirs, and lets nobody pass it by', async () => {
    const upstream = await webSocketUpstream()
    const { url, port, server } = await mount(
      [
        { name: 'sent', listenPath: '/sent/', upstream: upstream.url },
        { name: 'guarded', listenPath: '/guarded/', hooks: { pre: [() => undefined] } },
        { name: 'open', listenPath: '/open/' },
      ],
      { upgrade: true },
    )
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (!socket.destroyed && req.url?.startsWith('/sent') !== true) applicationUpgrades(req, socket, head)
    })
    for (const place of ['/open/x', '/elsewhere']) {
      const webSocket = await openWebSocket(url + place)
      webSocket.send('hello')
      expect(await messageOf(webSocket)).toBe(`${place} undefined hello`)
    }
    const refused = new RawClient(port)
    refused.write(handshakeText('/open/x').replace('Version: 13', 'Version: 12'))
    expect([await refused.closed, refused.received]).toEqual(['end', ''])
    await tunnelled(port, '/sent/x')
    expect(upstream.seen.map(({ target }) => target)).toEqual(['/x'])
    const warnings = await allWarningsDuring(async () => {
      for (let i = 0; i < 2; i += 1) {
        const client = new RawClient(port)
        client.write(handshakeText('/guarded/x'))
        expect([await client.closed, client.received]).toEqual(['end', ''])
      }
    })
    expect(warnings.filter(({ message }) => message.includes('next'))).toHaveLength(1)
  })

  it('two gateways on one server answer 404 together', async () => {
    const first: Mounted = await mount({ name: 'a', listenPath: '/a/' }, { upgrade: true })
    const upstream = await webSocketUpstream()
    const second = await mount({ name: 'b', listenPath: '/b/', upstream: upstream.url })
    first.server.on('upgrade', second.gateway.upgrade)
    await tunnelled(first.port, '/b/x')
    expect((await rawExchange(first.port, handshakeText('/c'))).status).toBe(404)
  })

  it('speaks TLS on both sides', async () => {
    const server = createSecureServer(SELF_SIGNED)
    const { url: secureUrl } = await listen(server)
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => applicationUpgrades(req, socket, head))
    const settings = { upgrade: true, secure: true } as const
    const trusting = await mount({ name: 'a', upstream: { url: secureUrl, verifyTls: false } }, settings)
    const webSocket = await openWebSocket(`${trusting.url}/x`)
    webSocket.send('hello')
    expect(await messageOf(webSocket)).toBe('/x undefined hello')
    const careful = await mount({ name: 'a', upstream: secureUrl }, { upgrade: true })
    expect((await rawExchange(careful.port, handshakeText())).status).toBe(502)
  })

  it('an upgrade behind a request without its answer yet ends the connection, and nothing runs on', async () => {
    const upstream = await webSocketUpstream()
    const { port, gateway } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        endpoints: {
          'GET /slow': [
            (request) => new Promise((resolve) => request.signal.addEventListener('abort', () => resolve(undefined))),
          ],
        },
      },
      { upgrade: true },
    )
    const client = new RawClient(port)
    const get = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'
    client.write(get + get + handshakeText())
    await client.closed
    await sleep(20)
    expect([client.received, upstream.seen.length]).toEqual(['', 0])
    expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499, 499])
  })

  it('one behind an answered request is served', async () => {
    const upstream = await webSocketUpstream()
    const { port } = await mount({ name: 'a', upstream: upstream.url }, { upgrade: true })
    const client = new RawClient(port)
    client.write('GET /one HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.answer()).body).toBe('GET /one')
    client.write(handshakeText('/two'))
    expect((await client.answer()).status).toBe(101)
  })

  it('a forwarder of the application’s own answers as for any request', async () => {
    const { port } = await mount({ name: 'a' }, { upgrade: true, options: { forward: () => respond(200, 'own') } })
    const { status, body, lines } = await rawExchange(port, handshakeText())
    expect([status, body, valuesOf(lines, 'connection')]).toEqual([200, 'own', ['close']])
  })

  it('a plugin that gives an upgrade another method makes it an ordinary request', async () => {
    const upstream = await webSocketUpstream()
    const { port } = await mount(
      { name: 'a', upstream: upstream.url, hooks: { pre: [(request) => void (request.method = 'POST')] } },
      { upgrade: true },
    )
    const { status, body } = await rawExchange(port, handshakeText('/x'))
    expect([status, body, upstream.seen.length]).toEqual([200, 'POST /x', 0])
  })

  it('goes to another target where one cannot be reached, and holds no connection of a target as a tunnel', async () => {
    const upstream = await webSocketUpstream()
    const dead = `http://127.0.0.1:${await deafPort()}`
    const { port } = await mount(
      { name: 'a', upstream: { targets: [{ url: dead }, { url: upstream.url }], maxConnections: 1, maxQueued: 0 } },
      { upgrade: true },
    )
    for (let i = 0; i < 6; i += 1) await tunnelled(port, `/${i}`)
    expect(upstream.open()).toBe(6)
    expect((await rawExchange(port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n')).body).toBe('GET /x')
  })

  it('gives the connection to a target back, however a handshake ends', async () => {
    const answers = [
      'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno',
      'HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf',
      'SSH-2.0-OpenSSH\r\n\r\n',
      'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      '',
    ]
    const upstream = await listenRaw((socket) => {
      socket.once('data', (chunk) => {
        socket.write(answers[Number(/GET \/(\d)/.exec(chunk.toString())?.[1])] ?? '')
        setTimeout(() => socket.destroy(), 20)
      })
    })
    const { port } = await mount(
      { name: 'a', upstream: { url: upstream.url, maxConnections: 1, maxQueued: 0 } },
      { upgrade: true },
    )
    const statuses: string[] = []
    for (let i = 0; i < 2 * answers.length; i += 1) {
      const client = new RawClient(port)
      client.write(handshakeText(`/${i % answers.length}`))
      await client.closed
      statuses.push(client.received.slice(9, 12))
    }
    expect(statuses).toEqual(['403', '403', '502', '502', '502', '403', '403', '502', '502', '502'])
  })

  it('has to find an answer within requestTimeoutMs, and as a tunnel has none', async () => {
    const [silent, upstream] = [await listenRaw((socket) => void socket.resume()), await webSocketUpstream()]
    const { port, gateway } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        requestTimeoutMs: 100,
        endpoints: { 'GET /silent': [(request) => void (request.upstream = silent.url)] },
      },
      { upgrade: true },
    )
    const open = await tunnelled(port)
    expect((await rawExchange(port, handshakeText('/silent'))).status).toBe(504)
    open.write(frame(0x81, 'abc'))
    expect(await open.bytes(5)).toBe('\u0081\u0003abc')
    expect(gateway.records.list().map(({ code }) => code)).toEqual(['PSTN_REQUEST_TIMEOUT'])
  })

  it('a plugin cannot send an upgrade to a link-local address', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [(request) => void (request.upstream = 'http://169.254.169.254/')] } },
      { upgrade: true },
    )
    const started = performance.now()
    expect((await rawExchange(port, handshakeText())).status).toBe(502)
    expect(performance.now() - started).toBeLessThan(4_000)
  })

  it('a large answer in place of the 101 comes whole to a slow reader', async () => {
    const large = 'x'.repeat(3_000_000)
    const upstream = await listen((_req, res) => res.end())
    upstream.server.on('upgrade', (_req: IncomingMessage, socket: Duplex) =>
      socket.end(
        `HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`,
      ),
    )
    const { port } = await mount({ name: 'a', upstream: upstream.url }, { upgrade: true })
    const client = new RawClient(port)
    client.write(handshakeText())
    client.socket.pause()
    await sleep(100)
    client.socket.resume()
    const { status, body } = await client.answer()
    expect([status, body.length]).toEqual([403, large.length])
  })
})

describe.each(frameworks)('%s', (_, mount) => {
  it('is told of its mount, which no framework tells an upgrade', async () => {
    const upstream = await webSocketUpstream()
    const basePath = '/v1'
    const { port } = await mount(
      { name: 'a', listenPath: '/a/', upstream: upstream.url },
      { at: basePath, upgrade: (gateway) => (req, socket, head) => gateway.upgrade(req, socket, head, { basePath }) },
    )
    await tunnelled(port, '/v1/a/x?y')
    expect(upstream.seen.map(({ target }) => target)).toEqual(['/x?y'])
    for (const target of ['/a/x', '/v1a/x', '/v1/b', '/v1/../a/x'])
      expect([target, (await rawExchange(port, handshakeText(target))).status]).toEqual([target, 404])
    expect((await rawExchange(port, handshakeText('/v1/a/../../a/x'))).status).toBe(400)
  })
})
